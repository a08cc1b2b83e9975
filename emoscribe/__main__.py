"""`python -m emoscribe` is `emoscribe`."""

from emoscribe.cli import main

if __name__ == "__main__":
    main()
