"""Klanten that come and go in bulk: files of them, and other registers of them."""
