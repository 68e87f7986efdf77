"""The licences of teachers allow what a pack is declared for."""
