"""The APIs beside this one, on real sockets: strict about what they are asked, and with moods."""
