"""`python -m tests.chaos [TIMES]`: each fault so many times, 20 if nothing is said."""

import sys

from tests.chaos.program import main

main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
