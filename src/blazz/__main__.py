"""`python -m blazz` is the `blazz` command."""

from blazz.cli import main

if __name__ == "__main__":
    main()
