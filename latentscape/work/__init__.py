"""Trainings and analyses in worker processes, and what is kept for visitors. Knows no Streamlit."""
