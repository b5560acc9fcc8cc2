package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/audit/rotate"
	audit "github.com/portcullis-dev/portcullis/internal/audit/subject"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

const placeAudit = "audit"

// holds names the legal holds in force, to somebody whom their reasons may name:
// receipts name nobody. Holds that cannot be read hold.
func (p *Part) holds(who *subject.Person) (out []string, err error) {
	list, err := p.keeper.Holds()
	if err != nil {
		return []string{"legal holds cannot be read: the audit log stays as it is until they can"}, nil //nolint:nilerr // it is what is told
	}
	now := time.Now()
	for _, h := range list {
		if h.Until.IsZero() || now.Before(h.Until) {
			why, _ := who.Nameless(h.Reason)
			out = append(out, fmt.Sprintf("legal hold %s (%s): the audit log stays readable until it ends", h.ID, why))
		}
	}
	return out, nil
}

// auditLog is what events say of a person. Its key is destroyed; the bytes of
// the log stay, and verify.
func (p *Part) auditLog() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: placeAudit, Title: "Audit log", Where: "audit/, with all its copies, archives and sinks", Data: []string{"id", "address", "user agent", "names in details"},
			Source: "the person, by calling", Purpose: "to prove what happened (legitimate interest, legal obligation)",
			Retention: "by class: audit.retention", Erasure: "the key is destroyed; security.log loses the address; a legal hold puts that off",
		},
		Collect: func(ctx context.Context, who *subject.Person) (out []any, err error) {
			err = p.eachEvent(ctx, who.ID, func(f index.Found) {
				out = append(out, json.RawMessage(auditlog.AppendEntry(nil, &f.Event)))
			})
			return out, err
		},
		Erase: p.eraseLog,
	}
}

func (p *Part) eraseLog(ctx context.Context, who *subject.Person) (done subject.Done, err error) {
	if done.Kept, err = p.holds(who); err != nil {
		return done, err
	}
	if len(done.Kept) > 0 {
		done.Wait = true
		return done, nil
	}
	book := p.env.Services.Subjects
	if book == nil {
		done.Kept = []string{`records were written in clear (audit.personal_data = "insecure_plain") and cannot be changed: they end with their class of retention`}
	} else {
		ids := []string{who.ID}
		for _, name := range who.Names {
			ids = append(ids, audit.Account(name))
		}
		for _, id := range ids {
			had, err := book.Erase(ctx, id)
			if err != nil {
				return done, err
			}
			if had {
				done.Count++
			}
		}
		done.Kept = []string{"what others claimed to be this id, without proof, is sealed under the key of its day and ends with that"}
	}
	written, err := p.written(ctx, who)
	if err != nil {
		return done, err
	}
	done.Kept = append(done.Kept, written)
	n, err := p.scrub(who)
	done.Count += n
	return done, err
}

// written says what stays of a person in words that operators chose. Records
// cannot be changed, and which words name somebody nobody can tell for sure; so
// they stay, and whoever asked is told how many are known to.
func (p *Part) written(ctx context.Context, who *subject.Person) (string, error) {
	seen := map[string]bool{}
	for _, text := range who.Texts() {
		if len(text) < subject.Shortest {
			continue
		}
		err := p.search(ctx, index.Query{Text: text, Limit: trailPage}, func(f index.Found) {
			if _, named := who.Nameless(f.Event.Reason); named {
				seen[f.Event.ID] = true
			}
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("reasons in the audit log, in the words of operators, stay until the retention of their class ends (GDPR art. 17(3)(b) and (e)): %d records are known to name the person there", len(seen)), nil
}

// scrub takes what names a person out of security.log and what that was before.
func (p *Part) scrub(who *subject.Person) (int, error) {
	return rotate.Scrub(p.env.Dir.AuditDir(), func(e *portcullis.Event) bool {
		var named bool // by what an operator wrote
		e.Reason, named = who.Nameless(e.Reason)
		known := slices.Contains(who.Aliases, e.Actor.Subject) || who.Is(e.Actor.ID)
		at := e.Actor.IP.IsValid() && slices.Contains(who.Addresses, e.Actor.IP.String())
		if !known && !at {
			return named
		}
		e.Actor = portcullis.Actor{Method: e.Actor.Method, ID: subject.Erased}
		return true
	})
}

// files is the last step: no page of the database and no line of security.log
// that was under way keeps anything.
func (p *Part) files() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "files", Title: "Free pages of the database", Where: "portcullis.db", Data: []string{"what rows held that are gone"},
			Source: "the above", Purpose: "none", Retention: "none", Erasure: "the database is written anew and its write-ahead log emptied",
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			if held, err := p.holds(who); err == nil && len(held) == 0 {
				if _, err := p.scrub(who); err != nil {
					return subject.Done{}, err
				}
			}
			return subject.Done{}, p.store.Compact(ctx)
		},
	}
}
