"""The phones page: four screens on which a person plays the customer."""
