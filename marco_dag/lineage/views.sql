-- Views over `lineage_events` and the tables of the data model. Created in this order by marco_dag.lineage.views.

CREATE VIEW artifacts AS SELECT * EXCLUDE (inputs) FROM lineage_events;

CREATE VIEW artifact_inputs AS
SELECT artifact_id, unnest(inputs) AS input_artifact_id FROM lineage_events;

-- Every artifact with everything it was made from, at any distance (1 = a direct input).
CREATE VIEW artifact_ancestry AS
WITH RECURSIVE ancestry (artifact_id, ancestor_id, distance) AS (
    SELECT artifact_id, input_artifact_id, 1 FROM artifact_inputs
    UNION
    SELECT a.artifact_id, i.input_artifact_id, a.distance + 1
    FROM ancestry a JOIN artifact_inputs i ON i.artifact_id = a.ancestor_id
)
SELECT artifact_id, ancestor_id, min(distance) AS distance FROM ancestry GROUP BY ALL;

-- The newest materialization of each asset and partition.
CREATE VIEW latest_artifacts AS
SELECT * FROM artifacts
QUALIFY row_number() OVER (PARTITION BY asset_key, partition ORDER BY created_at DESC, artifact_id DESC) = 1;

-- The thoughts of every chain: from its leaf up to the prompt (position 1 = the first thought).
CREATE VIEW chain_thoughts AS
WITH RECURSIVE path AS (
    SELECT c.chain_id, c.tree_id, t.node_id, t.parent_id, t.depth AS position, t.kind, t.role, t.model_digest
    FROM chains c JOIN thoughts t ON t.tree_id = c.tree_id AND t.node_id = c.leaf_id
    UNION
    SELECT p.chain_id, p.tree_id, t.node_id, t.parent_id, t.depth, t.kind, t.role, t.model_digest
    FROM path p JOIN thoughts t ON t.tree_id = p.tree_id AND t.node_id = p.parent_id
)
SELECT * FROM path;

-- The training examples, one row a chain that was trained on.
CREATE VIEW training_examples AS
-- `chosen_rank` says which recipes a pair serves: each takes the pairs of one rank.
SELECT 'cot_set' AS training_table, chain_id AS example_id, chain_id, 'completion' AS part, NULL AS chosen_rank, seed_id, batch
FROM cot_set
UNION ALL
SELECT 'preference_pairs', pair_id, chosen_chain_id, 'chosen', chosen_rank, seed_id, batch FROM preference_pairs
UNION ALL
SELECT 'preference_pairs', pair_id, rejected_chain_id, 'rejected', chosen_rank, seed_id, batch FROM preference_pairs;

-- The artifact behind each scored checkpoint: the one that the newest materialization of its scores was made from.
CREATE VIEW checkpoint_artifacts AS
SELECT DISTINCT s.checkpoint, s.checkpoint_digest, a.artifact_id
FROM scores s
LEFT JOIN checkpoint_assets k ON k.checkpoint = s.checkpoint
JOIN table_producers u ON u.table_name = 'scores'
JOIN latest_artifacts b ON b.asset_key = u.asset_key AND (b.partition = s.checkpoint OR b.partition IS NULL)
JOIN artifact_inputs i ON i.artifact_id = b.artifact_id
JOIN artifacts a ON a.artifact_id = i.input_artifact_id AND CASE
    WHEN k.asset_key IS NOT NULL THEN a.asset_key = k.asset_key
    ELSE a.asset_key = (SELECT asset_key FROM recipe_asset) AND a.partition = s.checkpoint
END;

-- The materializations of training sets that each checkpoint artifact was trained on, its SFT stage included.
-- `current`: what lies in the table today is still what was trained on.
CREATE VIEW training_sets AS
WITH stages AS (
    SELECT artifact_id AS checkpoint_artifact_id, artifact_id AS stage_id FROM artifacts
    UNION ALL
    SELECT artifact_id, ancestor_id FROM artifact_ancestry
)
SELECT DISTINCT
    g.checkpoint_artifact_id, u.table_name AS training_table, d.artifact_id AS training_artifact_id, d.partition,
    d.data_version = l.data_version AS current
FROM stages g
JOIN artifacts s ON s.artifact_id = g.stage_id
JOIN artifact_inputs i ON i.artifact_id = s.artifact_id
JOIN artifacts d ON d.artifact_id = i.input_artifact_id
JOIN latest_artifacts l ON l.asset_key = d.asset_key AND l.partition IS NOT DISTINCT FROM d.partition
JOIN table_producers u ON u.asset_key = d.asset_key
WHERE (u.table_name = 'cot_set' AND s.asset_key = (SELECT asset_key FROM checkpoint_assets WHERE checkpoint = 'sft'))
   OR (u.table_name = 'preference_pairs' AND s.asset_key = (SELECT asset_key FROM recipe_asset));

-- What each checkpoint artifact was trained on: one row a thought of a chain, with the model that wrote the thought and
-- the seed that the chain answers.
CREATE VIEW training_origins AS
SELECT
    t.checkpoint_artifact_id, t.training_table, t.training_artifact_id, t.current,
    e.example_id, e.part, e.chosen_rank, e.chain_id,
    h.tree_id, h.node_id, h.position, h.kind, h.role, h.model_digest, e.seed_id, p.source AS seed_source, e.batch
FROM training_sets t
JOIN training_examples e
    ON e.training_table = t.training_table AND (t.partition IS NULL OR e.batch = t.partition)
LEFT JOIN chain_thoughts h ON h.chain_id = e.chain_id
LEFT JOIN seed_prompts p ON p.seed_id = e.seed_id AND p.batch = e.batch;

-- The same for each score: filter by checkpoint, question_id, decoding, sample and turn, then ask for what you want to know.
CREATE VIEW score_origins AS
SELECT
    s.checkpoint, s.checkpoint_digest, s.benchmark, s.question_id, s.decoding, s.sample, s.turn, s.correct,
    s.answered, o.*
FROM scores s
JOIN checkpoint_artifacts c
    ON c.checkpoint = s.checkpoint AND c.checkpoint_digest IS NOT DISTINCT FROM s.checkpoint_digest
JOIN training_origins o ON o.checkpoint_artifact_id = c.artifact_id;
