"""``python -m disputenlp``."""

from disputenlp.cli import main

main()
