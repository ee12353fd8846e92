package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Schema makes the table; docs/operations.md shows it, for those whose users
// may not create one. Keys are bytes: nothing about them is compared by a
// language's rules.
//
// The record under the empty key says which form the table has, and its seq is
// the counter of the change log.
const Schema = tableSQL + ";\n" + firstSQL + ";\n"

const (
	tableSQL = `CREATE TABLE IF NOT EXISTS hufu_records (
	k       VARBINARY(1024) NOT NULL PRIMARY KEY,
	version VARBINARY(64) NOT NULL,
	seq     BIGINT UNSIGNED NOT NULL,
	value   LONGBLOB,
	written DATETIME(6) NOT NULL,
	expires DATETIME(6),
	KEY hufu_records_seq (seq),
	KEY hufu_records_expires (expires)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC`
	firstSQL = `INSERT INTO hufu_records (k, version, seq, value, written)
	SELECT '', 'form', COALESCE(MAX(seq), 0) + 1, '1', UTC_TIMESTAMP(6) FROM hufu_records
	ON DUPLICATE KEY UPDATE hufu_records.k = hufu_records.k`
)

// form is the one this hufu reads and writes.
const form = "1"

var errGrant = errors.New("the user needs: GRANT SELECT, INSERT, UPDATE, DELETE ON hufu_records; " +
	"where it may not create the table (GRANT CREATE), run what docs/operations.md shows as one who may")

// makeTable makes the table where there is none, and refuses one that is not
// ours.
func makeTable(ctx context.Context, c *sql.Conn) error {
	var engine string
	const which = `SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'hufu_records'`
	err := c.QueryRowContext(ctx, which).Scan(&engine)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := c.ExecContext(ctx, tableSQL); err != nil {
			return fmt.Errorf("make the table: %w", err)
		}
		err = c.QueryRowContext(ctx, which).Scan(&engine)
	}
	if err != nil {
		return err
	}
	if engine != "InnoDB" {
		return fmt.Errorf("its table hufu_records is of engine %s, which has no transactions: ALTER TABLE hufu_records ENGINE=InnoDB", engine)
	}
	for range 20 { // of nodes that start at once, those that are too late are undone
		var found []byte
		err = c.QueryRowContext(ctx, `SELECT value FROM hufu_records WHERE k = ''`).Scan(&found)
		if !errors.Is(err, sql.ErrNoRows) {
			if err == nil && string(found) != form {
				err = fmt.Errorf("its table has form %s and this hufu knows form %s; a newer hufu has been here", found, form)
			}
			return err
		}
		if _, err := c.ExecContext(ctx, firstSQL); err != nil && !isNumber(err, deadlock) {
			return fmt.Errorf("write the first row: %w", err)
		}
	}
	return err
}
