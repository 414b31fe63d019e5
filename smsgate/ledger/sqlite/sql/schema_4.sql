-- Each time when recipients were found on the stop list at the moment of their claim.

CREATE TABLE stopped (
    at REAL NOT NULL,
    recipients INTEGER NOT NULL
);
