"""Where the media of a call go: back ends behind one interface."""
