"""Supply and money events: the EPCIS 2.0 REST binding over the streams of sealed records."""
