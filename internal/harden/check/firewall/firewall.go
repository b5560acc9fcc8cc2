// Package firewall judges rule files of nftables and scripts of iptables: that
// replies get through, that both families are filtered, and that a rule means
// what its author thought.
package firewall

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// File is a set of filter rules.
type File struct {
	path  string
	nft   bool
	lines []filter
}

// filter is one rule, or the policy of a chain, in words.
type filter struct {
	family string // "4", "6" or "inet"
	chain  string // "INPUT" or as nftables names it
	input  bool   // the chain is about what comes to this host
	policy string // of a chain: "accept" or "drop"
	words  []string
	line   int
}

// Find returns the firewall rules of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		base := strings.ToLower(f.Base())
		switch {
		case f.Ext() == ".nft", base == "nftables.conf", strings.HasPrefix(base, "rules.v"), strings.HasSuffix(base, ".iptables"):
			return true
		case f.Ext() == ".sh" || f.Ext() == ".rules" || script(f.Ext()) && (strings.HasPrefix(base, "iptables") || strings.HasPrefix(base, "firewall")):
			data, err := t.Read(f.Path)
			return err == nil && (bytes.Contains(data, []byte("-A INPUT")) || bytes.Contains(data, []byte("-P INPUT")))
		}
		return false
	})
}

// script reports whether a file with an extension may be a script of a shell:
// programs that write rules, and pages about them, hold such lines too.
func script(ext string) bool {
	switch ext {
	case "", ".bash", ".conf", ".txt", ".service", ".local", ".v4", ".v6":
		return true
	}
	return false
}

// Load reads firewall rules.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	return parse(name, data)
}

func parse(name string, data []byte) (*File, error) {
	f := &File{path: name}
	if strings.HasSuffix(name, ".nft") || strings.HasSuffix(name, "nftables.conf") || bytes.Contains(data, []byte("hook input")) {
		f.nft = true
		if err := f.nftables(string(data)); err != nil {
			return nil, err
		}
	} else {
		f.iptables(string(data))
	}
	if len(f.lines) == 0 {
		return nil, fmt.Errorf("%s:1: holds no rule", name)
	}
	return f, nil
}

// iptables reads commands, or what iptables-save writes.
func (f *File) iptables(text string) {
	saved := "4"
	if strings.Contains(f.path, "v6") || strings.Contains(f.path, "ip6") {
		saved = "6"
	}
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "#") {
			continue
		}
		if chain, policy, ok := strings.Cut(strings.TrimPrefix(trimmed, ":"), " "); ok && strings.HasPrefix(trimmed, ":") {
			policy, _, _ = strings.Cut(policy, " ")
			f.lines = append(f.lines, filter{family: saved, chain: chain, input: chain == "INPUT", policy: strings.ToLower(policy), line: i + 1})
			continue
		}
		for _, c := range shell.Split(trimmed) {
			family, words := saved, c.Words
			switch {
			case c.Is("ip6tables"):
				family = "6"
			case c.Is("iptables"):
				family = "4"
			case words[0] != "-A" && words[0] != "-I" && words[0] != "-P":
				continue
			}
			f.command(family, words, i+1)
		}
	}
}

func (f *File) command(family string, words []string, line int) {
	for i, w := range words {
		if i+1 >= len(words) {
			return
		}
		chain := words[i+1]
		switch w {
		case "-P", "--policy":
			if i+2 < len(words) {
				f.lines = append(f.lines, filter{family: family, chain: chain, input: chain == "INPUT", policy: strings.ToLower(words[i+2]), line: line})
			}
			return
		case "-A", "-I", "--append", "--insert":
			f.lines = append(f.lines, filter{family: family, chain: chain, input: chain == "INPUT", words: words[i+2:], line: line})
			return
		}
	}
}

// nftables reads tables and chains.
func (f *File) nftables(text string) error {
	family, chain, input := "", "", false
	depth, set := 0, 0
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ", ",", " , ").Replace(line))
		var rest []string
		flush := func() {
			if len(rest) > 0 && chain != "" {
				switch {
				case rest[0] == "type":
					input = slices.Contains(rest, "input")
				case rest[0] == "policy":
					f.lines = append(f.lines, filter{family: family, chain: chain, input: input, policy: rest[len(rest)-1], line: i + 1})
				default:
					f.lines = append(f.lines, filter{family: family, chain: chain, input: input, words: rest, line: i + 1})
				}
			}
			rest = nil
		}
		for _, w := range words {
			switch {
			case w == "{" && depth < 2 && len(rest) > 0 && (rest[0] == "table" || rest[0] == "chain" || rest[0] == "set" || rest[0] == "map"):
				switch {
				case rest[0] == "table" && len(rest) == 3:
					family = map[string]string{"inet": "inet", "ip": "4", "ip6": "6"}[rest[1]]
				case rest[0] == "table":
					family = "4"
				case rest[0] == "chain":
					chain, input = rest[len(rest)-1], false
				}
				depth, rest = depth+1, nil
			case w == "{":
				set++
				rest = append(rest, w)
			case w == "}" && set > 0:
				set--
				rest = append(rest, w)
			case w == "}":
				flush()
				if depth--; depth < 0 {
					return fmt.Errorf("%s:%d: has a } that closes nothing", f.path, i+1)
				}
				chain = ""
			case w == ";" && set == 0:
				flush()
			default:
				rest = append(rest, w)
			}
		}
		if set == 0 {
			flush()
		}
	}
	if depth != 0 || set != 0 {
		return fmt.Errorf("%s: ends in the middle of a block", f.path)
	}
	return nil
}

// has reports whether words stand in a rule, in order and together.
func (r filter) has(words ...string) bool {
	for i := range r.words {
		if i+len(words) <= len(r.words) && slices.Equal(r.words[i:i+len(words)], words) {
			return true
		}
	}
	return false
}

func (r filter) accepts() bool { return r.has("-j", "ACCEPT") || r.has("accept") }

// denies reports whether a rule refuses whatever comes to it.
func (r filter) denies() bool {
	bare := len(r.words) == 2 && r.words[0] == "-j" && (r.words[1] == "DROP" || r.words[1] == "REJECT")
	return r.policy == "drop" || bare || len(r.words) == 1 && (r.words[0] == "drop" || r.words[0] == "reject")
}

// covers reports whether a rule is about an IP family.
func (r filter) covers(family string) bool { return r.family == family || r.family == "inet" }

// input returns the rules for what comes to this host over a family.
func (f *File) input(family string) []filter {
	var out []filter
	for _, r := range f.lines {
		if r.input && r.covers(family) {
			out = append(out, r)
		}
	}
	return out
}

// Rule is a rule about firewalls.
type Rule = rule.Rule[*File]

func of(m rule.Meta, check func(*File) []rule.Finding) Rule {
	m.Kind = rule.Firewall
	m.Guides = append(m.Guides, "S0-55", "S1-6")
	return Rule{Meta: topic.Exposure.Of(m), Check: func(_ context.Context, f *File) ([]rule.Finding, error) { return check(f), nil }}
}

func (f *File) at(line int, message string) rule.Finding {
	return rule.Finding{Message: message, File: f.path, Line: line}
}

// Rules returns all rules about firewalls.
func Rules() []Rule {
	return append(replyRules(), []Rule{
		of(rule.Meta{
			ID: "firewall-accepts", Severity: rule.High, Title: "What no rule allows is dropped",
			Why: "With accept as the last word every new service is open to everybody.",
			CWE: []string{"CWE-1188"}, Verify: "nft list ruleset; iptables -S", Fix: "Set policy drop on the chain of the hook input, or -P INPUT DROP.",
		}, func(f *File) []rule.Finding {
			for _, family := range [...]string{"4", "6"} {
				if rules := f.input(family); len(rules) > 0 && !slices.ContainsFunc(rules, filter.denies) {
					return []rule.Finding{f.at(rules[0].line, "the chain "+rules[0].chain+" lets in what no rule is about")}
				}
			}
			return nil
		}),
		of(rule.Meta{
			ID: "firewall-open-port", Severity: rule.High, Title: "Ports of databases and administration are not open to everybody",
			Why: "They are the first that the Internet's scanners try.",
			CWE: []string{"CWE-668"}, Verify: "nmap HOST from outside", Fix: "Name the source: ip saddr 10.0.0.0/8 tcp dport 5432 accept.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			for _, r := range f.lines {
				limited := slices.ContainsFunc(r.words, func(w string) bool {
					return w == "-s" || w == "--source" || w == "saddr" || w == "-i" || w == "iif" || w == "iifname"
				})
				if !r.input || !r.accepts() || limited {
					continue
				}
				for _, w := range r.words {
					switch w {
					case "5432", "3306", "6379", "27017", "9200", "11211", "2375", "9090", "2379", "10250", "8500":
						found = append(found, f.at(r.line, "port "+w+" is open to everybody"))
					}
				}
			}
			return found
		}),
	}...)
}

func replyRules() []Rule {
	return []Rule{
		of(rule.Meta{
			ID: "firewall-no-replies", Severity: rule.High, Title: "Replies to one's own calls get through",
			Why: "Without a rule for established connections the host reaches nothing any more: no DNS, no updates, no upstream.",
			CWE: []string{"CWE-1188"}, Verify: "curl https://example.com on the host", Fix: "Put ct state established,related accept first; in iptables -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			for _, family := range [...]string{"4", "6"} {
				rules := f.input(family)
				denies := slices.IndexFunc(rules, filter.denies)
				replies := slices.ContainsFunc(rules, func(r filter) bool {
					return strings.Contains(strings.ToLower(strings.Join(r.words, " ")), "established") && (r.accepts() || r.has("vmap"))
				})
				if denies >= 0 && !replies {
					found = append(found, f.at(rules[denies].line, "everything is dropped, and nothing lets replies in"))
					break
				}
			}
			return found
		}),
		of(rule.Meta{
			ID: "firewall-loopback-by-address", Severity: rule.High, Title: "The loopback is known by its interface",
			Why: "127.0.0.1 as a source can be forged by a neighbour on the network; the interface lo cannot.",
			CWE: []string{"CWE-290"}, Verify: "Read the rules.", Fix: "Write iif lo accept, or -i lo -j ACCEPT, and drop 127.0.0.0/8 from elsewhere.",
		}, func(f *File) []rule.Finding {
			var found []rule.Finding
			for _, r := range f.lines {
				source := ""
				for i, w := range r.words {
					if (w == "-s" || w == "--source" || w == "saddr") && i+1 < len(r.words) {
						source = r.words[i+1]
					}
				}
				byInterface := r.has("-i", "lo") || r.has("iif", "lo") || r.has("iifname", "lo") || r.has("iif", `"lo"`) || r.has("iifname", `"lo"`)
				if r.input && r.accepts() && !byInterface && (strings.HasPrefix(source, "127.") || source == "::1") {
					found = append(found, f.at(r.line, "whoever says to be "+source+" is let in"))
				}
			}
			return found
		}),
		of(rule.Meta{
			ID: "firewall-one-family", Severity: rule.High, Title: "Both IPv4 and IPv6 are filtered",
			Why: "A host with an IPv6 address is open there, whatever the rules for IPv4 say.",
			CWE: []string{"CWE-1188"}, Verify: "nft list ruleset; ip6tables -S", Fix: "Use one table of the family inet, or repeat the rules with ip6tables.",
		}, func(f *File) []rule.Finding {
			if !f.nft && (strings.Contains(f.path, "rules.v4") || strings.Contains(f.path, "rules.v6")) {
				return nil // each family has its file
			}
			four, six := slices.ContainsFunc(f.input("4"), filter.denies), slices.ContainsFunc(f.input("6"), filter.denies)
			if four && !six {
				return []rule.Finding{f.at(f.input("4")[0].line, "only IPv4 is filtered")}
			}
			return nil
		}),
	}
}
