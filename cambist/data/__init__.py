"""The Data Server: follows the event journal and keeps the views in SQL."""
