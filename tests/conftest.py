"""For every test: examples are as many as the profile says."""

from tests import support_examples  # noqa: F401 - sets the profile before any test is read
