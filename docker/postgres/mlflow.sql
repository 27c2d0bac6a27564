-- Run once, when the Postgres volume is new: MLflow keeps its runs in a database of its own.
CREATE DATABASE mlflow;
