package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Options say how targets are looked at.
type Options struct {
	Active   bool // also rules that send what a polite client would not
	Parallel int  // targets at a time, by default as many as there are processors

	// Progress is called when a target is done, one call at a time.
	Progress func(done, all int, target Target)

	// Limit bounds the time of one rule on one target, by default a minute.
	Limit time.Duration

	// Getenv is os.LookupEnv, for configurations that name variables.
	Getenv func(string) (string, bool)

	// Dependencies say where vulnerabilities are known from.
	Dependencies dependencies.Options

	// Only is asked which rules look, by default all.
	Only func(rule.Meta) bool
}

// Run lets every rule look at the targets of its kind.
func Run(ctx context.Context, targets []Target, o Options) Report {
	return run(ctx, families(o), targets, o)
}

func run(ctx context.Context, all []family, targets []Target, o Options) Report {
	if o.Parallel < 1 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	if o.Limit <= 0 {
		o.Limit = time.Minute
	}
	report := Report{Targets: make([]TargetReport, len(targets))}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		done int
		room = make(chan struct{}, o.Parallel)
	)
	for i, target := range targets {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			report.Targets[i] = look(ctx, all, target, o)
			mu.Lock()
			defer mu.Unlock()
			done++
			if o.Progress != nil {
				o.Progress(done, len(targets), target)
			}
		})
	}
	wg.Wait()
	return report
}

// look lets the rules of a target's kind look at it, one after the other.
func look(ctx context.Context, all []family, target Target, o Options) TargetReport {
	out := TargetReport{Kind: target.Kind, Name: target.Name, Results: []Result{}}
	i := slices.IndexFunc(all, func(f family) bool { return f.kind == target.Kind })
	if i < 0 {
		out.Error = fmt.Sprintf("there are no rules for targets of the kind %q", target.Kind)
		return out
	}
	loaded, err := load(ctx, all[i], target)
	if err != nil {
		out.Error = clean(err.Error())
	}
	for _, b := range all[i].rules {
		if o.Only != nil && !o.Only(b.meta) {
			continue
		}
		r := Result{Rule: b.meta, ID: b.meta.ID, Severity: b.meta.Severity}
		switch {
		case b.meta.Active && !o.Active:
			r.Verdict, r.Reason = rule.Skipped, "only with --intensity active"
		case err != nil:
			r.Verdict, r.Reason = rule.Unknown, "the target could not be read"
		default:
			r.judge(ctx, b, loaded, o.Limit)
			r.place(target)
		}
		out.Results = append(out.Results, r)
	}
	return out
}

func load(ctx context.Context, f family, target Target) (loaded any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reading it crashed: %v", r)
		}
	}()
	if target.Failed != nil {
		return nil, target.Failed
	}
	return f.load(ctx, target)
}

// judge asks one rule.
func (r *Result) judge(ctx context.Context, b bound, loaded any, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := ask(ctx, b, loaded)
	r.Verdict = rule.VerdictOf(found, err)
	switch r.Verdict {
	case rule.Skipped, rule.Unknown:
		r.Reason = reason(err)
	case rule.Fail:
		for _, f := range found {
			f.Message, f.Evidence, f.Pointer = clean(f.Message), clean(f.Evidence), clean(f.Pointer)
			if a := f.Advisory; a != nil {
				a.Summary = clean(a.Summary)
			}
			r.Findings = append(r.Findings, Finding{Finding: f})
		}
		slices.SortStableFunc(r.Findings, func(a, b Finding) int {
			return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Pointer, b.Pointer))
		})
		if err != nil {
			r.Reason = reason(err)
		}
	case rule.Pass:
	}
}

// place writes the files of findings as they are named from where the check
// runs, and gives each finding its fingerprint.
func (r *Result) place(t Target) {
	seen := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.File != "" && t.Tree != nil {
			f.File = shown(t.Tree, f.File)
		}
		print := fingerprint(r.ID, t, f.Finding)
		f.Fingerprint = print
		if n := seen[print]; n > 0 { // the same twice in a file: the second is another
			f.Fingerprint = fmt.Sprintf("%s-%d", print, n)
		}
		seen[print]++
	}
}

var errCrashed = errors.New("the rule crashed")

func ask(ctx context.Context, b bound, loaded any) (found []rule.Finding, err error) {
	defer func() {
		if r := recover(); r != nil {
			found, err = nil, fmt.Errorf("%w: %v", errCrashed, r)
		}
	}()
	found, err = b.check(ctx, loaded)
	if err == nil && ctx.Err() != nil { // it may have given up without a word
		err = fmt.Errorf("took too long: %w", ctx.Err())
	}
	return found, err
}

// reason is an error, or some that were joined, on one line.
func reason(err error) string { return clean(strings.ReplaceAll(err.Error(), "\n", "; ")) }

const maxShown = 400

// clean makes text of a target fit for a report: bounded, without secrets that
// a rule overlooked.
func clean(s string) string {
	s = obs.Redact(strings.ToValidUTF8(s, "�"))
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}
