"""What a request through the gateway costs, beside what it costs through other proxies: `python -m bench --help`."""
