"""`python -m cambist`: the operator's command without its script."""

from cambist.cli import main

main()
