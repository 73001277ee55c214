"""Talaria proxy: one door between the app's clients and every partner's back end."""

__version__ = "0.2.0"
