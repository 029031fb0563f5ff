"""The Price Server: books, candles, tickers and the public streams, from the events in journal order."""
