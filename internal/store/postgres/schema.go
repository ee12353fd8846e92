package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Schema makes the table; docs/operations.md shows it, for those whose users
// may not create one.
//
// The record under the empty key says which form the table has.
const Schema = `CREATE TABLE IF NOT EXISTS hufu_records (
	key     bytea PRIMARY KEY,
	version text NOT NULL,
	tx      bigint NOT NULL,
	value   bytea,
	written timestamptz NOT NULL,
	expires timestamptz
);
CREATE INDEX IF NOT EXISTS hufu_records_tx ON hufu_records (tx);
CREATE INDEX IF NOT EXISTS hufu_records_expires ON hufu_records (expires) WHERE expires IS NOT NULL;
INSERT INTO hufu_records (key, version, tx, value, written) VALUES ('', 'form', 0, '1', clock_timestamp()) ON CONFLICT DO NOTHING;
`

// form is the one this hufu reads and writes.
const form = "1"

var errGrant = errors.New("the user needs: GRANT SELECT, INSERT, UPDATE, DELETE ON hufu_records; " +
	"where it may not create the table (GRANT USAGE, CREATE ON SCHEMA), run what docs/operations.md shows as the owner")

// makeTable makes the table where there is none. Nodes that start at once take
// turns: CREATE TABLE IF NOT EXISTS by itself fails for the second.
func makeTable(ctx context.Context, c *pgx.Conn) error {
	there := false
	if err := c.QueryRow(ctx, `SELECT to_regclass('hufu_records') IS NOT NULL`).Scan(&there); err != nil || there {
		return err
	}
	_, err := c.PgConn().Exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(1752524405); "+Schema+"COMMIT").ReadAll()
	if err != nil {
		return fmt.Errorf("make the table: %w", err)
	}
	return nil
}

func rightFormat(ctx context.Context, c *pgx.Conn) error {
	var found []byte
	err := c.QueryRow(ctx, `SELECT value FROM hufu_records WHERE key = ''`).Scan(&found)
	if errors.Is(err, pgx.ErrNoRows) {
		return errors.New("its table hufu_records is not Hufu's; use another database or schema (search_path)")
	}
	if err == nil && string(found) != form {
		return fmt.Errorf("its table has form %s and this hufu knows form %s; a newer hufu has been here", found, form)
	}
	return err
}
