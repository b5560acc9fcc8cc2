package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdHTTP sends a request, as curl -i does: http METHOD URL [-H HEADER]… [BODY].
// Standard output gets the status line, the headers and the body. A body is
// JSON by default, from a caller of MCP.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: http METHOD URL [-H HEADER]… [BODY]")
	}
	status, err := request(ts.Stdout(), args[0], args[1], args[2:])
	ts.Check(err)
	if refused := status >= 400; refused != neg {
		ts.Fatalf("status %d", status)
	}
}

func request(out io.Writer, method, url string, args []string) (int, error) {
	header := http.Header{}
	var body string
	for len(args) > 0 {
		if args[0] == "-H" && len(args) > 1 {
			name, value, _ := strings.Cut(args[1], ":")
			header.Add(name, strings.TrimSpace(value))
			args = args[2:]
			continue
		}
		body, args = args[0], args[1:]
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
	}
	for name, values := range header {
		if name == "Host" {
			r.Host = values[0]
			continue
		}
		r.Header[name] = values
	}
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	fmt.Fprintln(out, "HTTP", resp.Status)
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range resp.Header[name] {
			fmt.Fprintf(out, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintf(out, "\n%s\n", b)
	return resp.StatusCode, nil
}

// cmdCurls runs the curl commands that a file shows, in order, and prints each
// answer: curls FILE.
func cmdCurls(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile(args[0]), "\\\n", " ")
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "curl ") {
			continue
		}
		n++
		words, err := shellWords(line)
		ts.Check(err)
		method, url, rest, err := parseCurl(words)
		ts.Check(err)
		_, err = request(ts.Stdout(), method, url, rest)
		ts.Check(err)
	}
	if n == 0 {
		ts.Fatalf("%s shows no curl command", args[0])
	}
}

// parseCurl takes the options that our texts use, and no others.
func parseCurl(words []string) (method, url string, rest []string, err error) {
	method = http.MethodGet
	for i := 1; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "|":
			return method, url, rest, nil
		case w == "-sS" || w == "-s" || w == "-i" || w == "-sSi" || w == "-si":
		case (w == "-H" || w == "-d" || w == "-X") && i+1 < len(words):
			i++
			switch w {
			case "-H":
				rest = append(rest, "-H", words[i])
			case "-X":
				method = words[i]
			default:
				method = http.MethodPost
				rest = append(rest, words[i])
			}
		case w == "-u" && i+1 < len(words):
			i++
			rest = append(rest, "-H", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(words[i])))
		case strings.HasPrefix(w, "http") && url == "":
			url = w
		default:
			return "", "", nil, fmt.Errorf("curl: unknown argument %q", w)
		}
	}
	return method, url, rest, nil
}

// shellWords parts a line as a shell does, with single and double quotes.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, inside := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inside = r, true
		case r == ' ':
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("unclosed quote in %q", line)
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}

func find(ts *testscript.TestScript, pattern, text string) string {
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	m := re.FindStringSubmatch(text)
	if len(m) != 2 {
		ts.Fatalf("no match for %q in\n%s", pattern, text)
	}
	return m[1]
}
