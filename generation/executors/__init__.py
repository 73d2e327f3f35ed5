"""Where zooms run: in a supervised process of their own (``process``) or in a thread of this one (``inline``)."""
