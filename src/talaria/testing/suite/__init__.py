"""What `pytest --talaria-partner NAME` collects."""
