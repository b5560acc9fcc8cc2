package secret

import (
	"bytes"
	"math"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// class says what the name of a value promises.
type class uint8

const (
	plain    class = iota
	password       // chosen by people: short and readable perhaps
	key            // made by machines: long and random
	sas            // the signature of a signed URL
)

const maxName = 48

// passwordNames and keyNames end the names of secrets, folded and without
// separators.
var passwordNames = [...]string{"password", "passwd", "passphrase", "passcode", "pwd", "dbpass", "userpass", "mypass", "adminpass", "rootpass", "smtppass", "ftppass", "passwort", "motdepasse", "contrasena"}

var keyNames = [...]string{
	"secret", "token", "apikey", "secretkey", "accesskey", "privatekey", "signingkey", "encryptionkey", "authkey",
	"accountkey", "sharedkey", "masterkey", "clientkey", "servicekey", "subscriptionkey", "sharedaccesskey", "appkey",
	"credential", "credentials", "secretvalue", "tokenvalue", "apisecret", "jwt", "bearer", "auth", "hmackey",
	"sessionid", "cookiesecret", "webhooksecret", "licensekey", "deploykey", "storagekey", "cohere", "accesskeysecret",
}

// harmless in a name say that its value is no secret, whatever the ending.
var harmless = [...]string{
	"page", "next", "continu", "cursor", "csrf", "xsrf", "sync", "cancel", "max", "idempot", "public",
	"prev", "start", "end", "eos", "bos", "pad", "unk", "mask", "num", "limit", "total", "cache",
}

// assigned judges the value behind the "=" or ":" at i. effort is how many bytes
// of values may still be read in full: "token=" may stand in a value again and
// again, and each reading to the end would take time quadratic in the text.
func (d *Detector) assigned(s []byte, i, from int, effort *int) (finding.Finding, bool) {
	none := finding.Finding{}
	if i+2 < len(s) && s[i] == ':' && s[i+1] == '/' && s[i+2] == '/' {
		return connection(s, i, from)
	}
	end := i
	for end > from && i-end < 3 && (s[end-1] == '"' || s[end-1] == '\'' || s[end-1] == ' ' || s[end-1] == '\\' || s[end-1] == ']' || s[end-1] == ':') {
		end--
	}
	if end <= from {
		return none, false
	}
	if end-from < 3 || !endsName(s[end-2], s[end-1]) {
		return none, false
	}
	start := end
	for start > from && end-start < maxName && (table[s[start-1]]&(base64url|dot) != 0) {
		start--
	}
	what := nameClass(s[start:end])
	if what == plain {
		return none, false
	}
	limit := maxTokenLen
	if *effort <= 0 {
		limit = cutValue
	}
	begin, stop, quoted := value(s, i+1, limit)
	if begin < 0 {
		return none, false
	}
	if begin < len(s) {
		if f, ok := d.at(s, begin); ok {
			return f, true // its own form says more than the name beside it
		}
	}
	*effort -= stop - begin
	if kind, score := judge(what, s[begin:stop], quoted); score > 0 {
		if !quoted && stop-begin == limit { // what is found is found whole
			for stop < len(s) && stop-begin < maxTokenLen && !endsValue(s[stop]) {
				stop++
			}
		}
		return finding.Finding{Start: begin, End: stop, Kind: kind, Score: score}, true
	}
	return none, false
}

const (
	effortPerByte = 2
	effortAtLeast = 16 << 10
	cutValue      = 64 // bytes of a value that are judged when the effort is spent
)

// nameEnds says which two letters end a name of a secret.
func nameEnds() [26]uint32 {
	var t [26]uint32
	add := func(n string) { t[n[len(n)-2]-'a'] |= 1 << (n[len(n)-1] - 'a') }
	for _, n := range passwordNames {
		add(n)
	}
	for _, n := range keyNames {
		add(n)
	}
	add("pass")
	add("sig")
	return t
}

var ends = nameEnds()

func endsName(a, b byte) bool {
	a, b = (a|0x20)-'a', (b|0x20)-'a'
	return a < 26 && b < 26 && ends[a]>>b&1 != 0
}

// nameClass folds a name and says what it promises.
func nameClass(name []byte) class {
	var buf [maxName]byte
	n := 0
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		default:
			continue
		}
		buf[n] = c
		n++
	}
	folded := buf[:n]
	if n < 3 || !endsName(folded[n-2], folded[n-1]) {
		return plain
	}
	if string(folded) == "sig" {
		return sas
	}
	if string(folded) == "pass" {
		return password
	}
	for _, p := range passwordNames {
		if bytes.HasSuffix(folded, []byte(p)) {
			return password
		}
	}
	for _, k := range keyNames {
		if !bytes.HasSuffix(folded, []byte(k)) {
			continue
		}
		for _, h := range harmless {
			if bytes.Contains(folded, []byte(h)) {
				return plain
			}
		}
		return key
	}
	return plain
}

// value returns the value that is assigned at i: quoted, or up to a separator.
// No more than limit bytes are read of one without quotes.
func value(s []byte, i, limit int) (begin, end int, quoted bool) {
	for n := 0; i < len(s) && n < 4 && (s[i] == ' ' || s[i] == '>' || s[i] == '=' || s[i] == '\t'); n++ {
		i++
	}
	if i < len(s) && s[i] == '\\' && i+1 < len(s) && s[i+1] == '"' {
		i++
	}
	if i >= len(s) {
		return -1, 0, false
	}
	if q := s[i]; q == '"' || q == '\'' || q == '`' {
		i++
		stop := bytes.IndexByte(s[i:min(len(s), i+maxTokenLen)], q)
		if stop < 0 {
			return -1, 0, false
		}
		for stop > 0 && s[i+stop-1] == '\\' {
			stop--
		}
		return i, i + stop, true
	}
	end = i
	for end < len(s) && end-i < limit && !endsValue(s[end]) {
		end++
	}
	for end > i && s[end-1] == '.' {
		end--
	}
	return i, end, false
}

func endsValue(c byte) bool {
	switch c {
	case '"', '\'', '`', ',', ';', '&', '<', '>', ')', ']', '}', '\\':
		return true
	}
	return c <= ' ' || c == 0x7f
}

// judge says what a value under a name of a class is, with score 0 for nothing.
func judge(what class, v []byte, quoted bool) (kind string, score uint8) {
	if len(v) < 6 || len(v) > maxTokenLen || placeholder(v) || bytes.IndexByte(v, ' ') >= 0 && what != password {
		return "", 0
	}
	switch what {
	case password:
		if chosen(v, quoted) {
			return KindPassword, scoreNamed
		}
	case key:
		if len(v) >= 16 && !code(v) && random(v) {
			return KindKeyword, scoreNamed
		}
	case sas:
		if len(v) >= 40 && random(v) {
			return KindAzure, scoreForm
		}
	}
	return "", 0
}

// chosen reports whether v looks like a password that somebody chose.
func chosen(v []byte, quoted bool) bool {
	if code(v) || bytes.IndexByte(v, ' ') >= 0 || bytes.Contains(v, []byte("://")) || uuid(v) {
		return false
	}
	var seen chars
	symbol := false
	for _, c := range v {
		seen |= table[c]
		if table[c]&(alnum|underscore|dash|dot) == 0 {
			symbol = true
		}
	}
	letters, digits := seen&(lower|upper) != 0, seen&digit != 0
	switch {
	case letters && digits:
		return true
	case letters && symbol:
		return len(v) >= 8
	case seen&lower != 0 && seen&upper != 0:
		return quoted && len(v) >= 10 && !camel(v)
	}
	return false
}

// camel reports an identifier: words that begin with capitals.
func camel(v []byte) bool {
	changes := 0
	for i := 1; i < len(v); i++ {
		if table[v[i-1]]&lower != 0 && table[v[i]]&upper != 0 {
			changes++
		}
	}
	return changes*5 <= len(v)
}

// code reports an expression of a program in place of a value.
func code(v []byte) bool {
	last := v[len(v)-1]
	for i, c := range v {
		if c != '(' && c != '[' && c != '{' || i == 0 || table[v[i-1]]&word == 0 {
			continue
		}
		if last == c || only(v[i+1:], lower|upper|dot) || last == ')' || last == ']' || last == '}' {
			return true
		}
	}
	for _, p := range [...]string{"process.env", "os.environ", "os.getenv", "env.", "config.", "self.", "this.", "secrets.", "vault:", "secret://", "arn:", "data:", "file:", "var.", "settings.", "request.", "req.", "http://", "https://"} {
		if foldedPrefix(v, p) {
			return true
		}
	}
	return false
}

func only(v []byte, set chars) bool {
	return run(v, 0, set, len(v)) == len(v)
}

// random reports whether v looks made by a machine: characters of several
// sets, close to evenly spread, and not the form of a plain identifier.
func random(v []byte) bool {
	if uuid(v) {
		return false
	}
	var seen chars
	var counts [256]uint8
	classChanges := 0
	odd := 0
	for i, c := range v {
		if counts[c] < 255 {
			counts[c]++
		}
		seen |= table[c]
		if table[c]&(base64url|base64std|dot) == 0 && c != '%' && c != '~' && c != ':' && c != '!' && c != '@' && c != '#' && c != '$' && c != '^' && c != '*' {
			odd++
		}
		if i > 0 && table[c]&alnum != table[v[i-1]]&alnum {
			classChanges++
		}
	}
	if seen&(lower|upper) == 0 || odd > 0 {
		return false
	}
	if seen&digit == 0 && (seen&lower == 0 || seen&upper == 0 || len(v) < 24 || camel(v)) {
		return false
	}
	entropy := 0.0
	n := float64(len(v))
	for _, k := range counts {
		if k > 0 {
			p := float64(k) / n
			entropy -= p * math.Log2(p)
		}
	}
	if entropy < 3.0 {
		return false
	}
	// Words with a number or two behind them change class seldom.
	return classChanges*6 >= len(v)
}

// uuid reports the 8-4-4-4-12 form: an identifier.
func uuid(v []byte) bool {
	if len(v) != 36 {
		return false
	}
	for i, c := range v {
		if dashed := i == 8 || i == 13 || i == 18 || i == 23; dashed != (c == '-') ||
			!dashed && table[c]&(hexLower|hexUpper) == 0 {
			return false
		}
	}
	return true
}

// connection finds the password in "scheme://user:password@host" whose ":"
// is at i. HTTP URLs are left to the detector of URLs.
func connection(s []byte, i, from int) (finding.Finding, bool) {
	none := finding.Finding{}
	start := i
	for start > from && i-start < 20 && (table[s[start-1]]&alnum != 0 || s[start-1] == '+' || s[start-1] == '-') {
		start--
	}
	scheme := s[start:i]
	if len(scheme) < 2 || foldedPrefix(scheme, "http") || foldedPrefix(scheme, "ws") || foldedPrefix(scheme, "ftp") {
		return none, false
	}
	begin := i + 3
	at, sep := -1, -1
	for k := begin; k < len(s) && k-begin < 300; k++ {
		c := s[k]
		if c <= ' ' || c == '"' || c == '\'' || c == '`' || c == '<' && sep < 0 {
			break
		}
		if c == '/' && at >= 0 {
			break
		}
		if c == ':' && sep < 0 {
			sep = k
		}
		if c == '@' {
			at = k
		}
	}
	if at < 0 || sep < 0 || sep+1 >= at {
		return none, false
	}
	if pass := s[sep+1 : at]; placeholder(pass) || wellKnown(pass) {
		return none, false
	}
	return finding.Finding{Start: sep + 1, End: at, Kind: KindConnection, Score: scoreForm}, true
}

// wellKnown passwords of documentation hide nothing.
func wellKnown(v []byte) bool {
	for _, p := range [...]string{"password", "pass", "secret", "pwd", "passwd", "user", "root", "guest"} {
		if len(v) == len(p) && foldedPrefix(v, p) {
			return true
		}
	}
	return false
}

// spoken finds "password is …" and "password for X is …".
func spoken(s []byte, i int) (finding.Finding, bool) {
	none := finding.Finding{}
	end := run(s, i, lower|upper, 12)
	if nameClass(s[i:end]) != password || end+5 > len(s) {
		return none, false
	}
	rest := s[end:min(len(s), end+40)]
	at := bytes.Index(rest, []byte(" is "))
	if at < 0 || bytes.ContainsAny(rest[:at], ".:;!?\n") {
		return none, false
	}
	begin, stop, quoted := value(s, end+at+4, maxTokenLen)
	if begin < 0 || stop-begin < 6 || placeholder(s[begin:stop]) || !chosen(s[begin:stop], quoted) {
		return none, false
	}
	return finding.Finding{Start: begin, End: stop, Kind: KindPassword, Score: scoreNamed}, true
}
