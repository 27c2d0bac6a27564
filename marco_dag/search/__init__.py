"""Tree search: thoughts, transition patterns, the tree, the MCTS driver."""
