-- Actions (kind 5) and cohorts (kind 6) are works like others. Their short ids are made of their numbers, which are unique.

INSERT INTO works (kind, id, project_id, short_id, document, deleted, created_by, last_modified_by, created_at, updated_at)
SELECT 5, id, project_id, 'a' || printf('%07d', id), json_object(
        'name', name, 'description', description, 'tags', json(tags), 'steps', json(steps),
        'post_to_slack', json(CASE WHEN post_to_slack THEN 'true' ELSE 'false' END),
        'slack_message_format', slack_message_format, 'pinned_at', pinned_at
    ), deleted, created_by, created_by, created_at, updated_at
FROM actions;

INSERT INTO works (kind, id, project_id, short_id, document, deleted, created_by, last_modified_by, created_at, updated_at)
SELECT 6, id, project_id, 'c' || printf('%07d', id), json_object(
        'name', name, 'description', description, 'filters', json(filters), 'query', json(query),
        'is_static', json(CASE WHEN is_static THEN 'true' ELSE 'false' END),
        'count', counted, 'last_calculation', last_calculation, 'errors_calculating', errors_calculating
    ), deleted, created_by, created_by, created_at, updated_at
FROM cohorts;

-- Members refer to the cohort in its new place.
CREATE TABLE members_of_works (
    kind SMALLINT NOT NULL DEFAULT 6,
    cohort_id BIGINT NOT NULL,
    person_id TEXT NOT NULL,
    distinct_id TEXT NOT NULL,
    PRIMARY KEY (cohort_id, person_id),
    FOREIGN KEY (kind, cohort_id) REFERENCES works (kind, id) ON DELETE CASCADE
);
INSERT INTO members_of_works (cohort_id, person_id, distinct_id) SELECT cohort_id, person_id, distinct_id FROM cohort_members;
DROP TABLE cohort_members;
ALTER TABLE members_of_works RENAME TO cohort_members;

DROP TABLE actions;
DROP TABLE cohorts;
