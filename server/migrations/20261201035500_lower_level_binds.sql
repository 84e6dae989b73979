-- migrate:up
-- A level below the one in force protects from the moment that it was found: also those that the version before left
-- waiting for the customer's yes.
UPDATE customers c SET
    risk_tolerance = a.risk_tolerance, assessed_at = a.assessed_at, questionnaire_version = a.questionnaire_version,
    updated_at = now()
FROM (
    SELECT DISTINCT ON (customer_id) * FROM assessments ORDER BY customer_id, assessed_at DESC, assessment_id DESC
) a
WHERE a.customer_id = c.customer_id AND a.confirmed_at IS NULL AND a.risk_tolerance < c.risk_tolerance
  AND a.assessed_at >= c.assessed_at;
-- migrate:down
SELECT 1;
