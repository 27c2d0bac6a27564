"""Instructions whose following a program can verify: the 25 kinds of IFEval, and Multi-IF's changes for other scripts.

The rules are those of google-research's `instruction_following_eval` (Zhou et al., arXiv 2311.07911) and of
facebookresearch's Multi-IF (He et al., arXiv 2410.15553), written anew. Where they do not do as published:

- Sentences are split by sentencex, not by NLTK's punkt, whose data cannot be had offline.
- Keywords, section marks and postscript marks are literal texts, not regular expressions.
- A kwarg that is missing or impossible is refused; the published checkers draw a random value.
- `zh` as a response's language stands for zh-cn and zh-tw, which langdetect tells apart.
- langdetect is seeded and sees the first 20,000 characters.
- Thai is counted as any other language; an emoji beside Chinese or Japanese is no word of its own.
- JSON too deep for Python is no JSON.

`docs/instruction-rules.md` says more, with how often it matters. Nothing here asks whether a response makes sense.
"""

from marco_dag.tasks.ifeval.judging import Judgement, judge
from marco_dag.tasks.ifeval.registry import MULTI_IF_LANGUAGES, RULES
from marco_dag.tasks.ifeval.task import IfEvalTask

__all__ = ["MULTI_IF_LANGUAGES", "RULES", "IfEvalTask", "Judgement", "judge"]
