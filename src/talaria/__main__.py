"""`python -m talaria`."""

from talaria.entrypoints.cli.main import main

if __name__ == "__main__":
    main()
