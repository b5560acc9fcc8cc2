package compliance

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
)

// sealedColumns are those that hold what is encrypted under the root key of the
// data folder. Empty ones hold nothing any more.
func sealedColumns() [][2]string {
	return [][2]string{
		{"signing_keys", "sealed"}, {"subjects", "key"}, {"approvals", "sealed"}, {"erasures", "person"},
		{"privacy_wishes", "sealed"}, {"push_registrations", "sealed"}, {"push_deliveries", "sealed"},
	}
}

// atRest looks at what is stored, as somebody would who has taken the files: how
// many values are sealed, and what is not as it should be.
func (p *Part) atRest(ctx context.Context) (sealed int, wrong []string, err error) {
	info, err := os.Stat(filepath.Join(p.env.Dir.Path(), "root.key"))
	if err != nil {
		return 0, nil, fmt.Errorf("looking at the root key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		wrong = append(wrong, fmt.Sprintf("Others than its owner may use the root key (mode %04o).", mode))
	}
	db := wishbook.New(p.env.DB, nil) // rows only
	for _, c := range sealedColumns() {
		rows, err := db.Rows(ctx, "SELECT hex("+c[1]+") AS value FROM "+c[0]+" WHERE length("+c[1]+") > 0 LIMIT 1000")
		if err != nil {
			return 0, nil, fmt.Errorf("looking at %s: %w", c[0], err)
		}
		clear := 0
		for _, row := range rows {
			text, _ := row.(map[string]any)["value"].(string)
			value, err := hex.DecodeString(text)
			if err != nil {
				return 0, nil, errors.Join(errors.New("reading a value"), err)
			}
			if isSealed(value) {
				sealed++
			} else {
				clear++
			}
		}
		if clear > 0 {
			wrong = append(wrong, fmt.Sprintf("%d values of %s.%s are not sealed.", clear, c[0], c[1]))
		}
	}
	return sealed, wrong, nil
}

// isSealed reports whether a value has the form of what is sealed, and is no
// text behind the head of that.
func isSealed(value []byte) bool {
	_, ok := envelope.KeyID(value)
	return ok && !utf8.Valid(value[5:])
}
