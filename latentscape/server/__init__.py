"""The way in, and every private name of Streamlit."""
