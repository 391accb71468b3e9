"""Lending: a loan is an arrival of stock at a location of the kind person, with an optional due date."""
