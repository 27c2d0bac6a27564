"""SFT and the joint cDPO objective with prefix masking."""
