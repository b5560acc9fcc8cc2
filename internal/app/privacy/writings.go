package privacy

import (
	"context"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

// writings are the columns in which operators say something in their own words,
// and what tells one row from the others. Those of incidents are with these.
func writings() [][3]string {
	return [][3]string{
		{"approvals", "reason", "id"}, {"tool_pins", "note", "tool"}, {"api_keys", "revoke_reason", "id"}, {"sessions", "end_reason", "id"},
		{"revoked_tokens", "reason", "revoked_at"}, {"containments", "reason", "id"}, {"break_glass", "reason", "id"},
	}
}

// words is what operators wrote. It stays, without the person.
func (p *Part) words() subject.Holder {
	var where, selects, updates []string
	shortest := strconv.Itoa(subject.Shortest)
	for _, c := range writings() {
		has := " WHERE " + c[1] + " = ?1 OR length(?1) >= " + shortest + " AND instr(" + c[1] + ", ?1) > 0"
		where = append(where, c[0])
		selects = append(selects, "SELECT '"+c[0]+"."+c[1]+"' AS what, CAST("+c[2]+" AS TEXT) AS which, "+c[1]+" AS text FROM "+c[0]+has)
		updates = append(updates, "UPDATE "+c[0]+" SET "+c[1]+" = replace("+c[1]+", ?1, '"+subject.Erased+"')"+has)
	}
	return subject.Holder{
		Place: subject.Place{
			Name: "words", Title: "What operators wrote in their own words", Where: "portcullis.db: " + strings.Join(where, ", "),
			Data: []string{"reasons and notes that name the person by id, name, key or address"}, Source: "operators", Purpose: "to know why something was done", Retention: "as long as the thing",
			Erasure: "the person is replaced by " + subject.Erased + "; in the audit log such words stay, and are counted",
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			return p.rows(ctx, who.Texts(), strings.Join(selects, " UNION ALL "))
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			return p.each(ctx, who.Texts(), updates...)
		},
	}
}
