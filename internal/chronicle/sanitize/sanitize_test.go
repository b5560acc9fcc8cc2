package sanitize_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/chronicle/sanitize"
	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
)

const jwt = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

func newSanitizer(t testing.TB, custom ...string) *sanitize.Sanitizer {
	t.Helper()
	s, err := sanitize.New(custom)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestURL(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"clean", "https://example.com/a/b?q=go+lang&page=2#top", "https://example.com/a/b?q=go+lang&page=2#top"},
		{"query", "https://h/cb?token=x1&a=1", "https://h/cb?a=1"},
		{"only parameter", "https://h/cb?token=x1", "https://h/cb"},
		{"case", "https://h/?ToKeN=x1&b=2", "https://h/?b=2"},
		{"separators in names", "https://h/?access-token=x&accessToken=y&ACCESS_TOKEN=z&c=3", "https://h/?c=3"},
		{"encoded name", "https://h/?%74oken=x&a=1", "https://h/?a=1"},
		{"double-encoded name", "https://h/?%2574oken=x&a=1", "https://h/?a=1"},
		{"encoded equals", "https://h/?token%3Dx&a=1", "https://h/?&a=1"},
		{"semicolons", "https://h/?a=1;token=x", "https://h/?a=1"},
		{"value with semicolon", "https://h/?token=x;y&a=1", "https://h/?a=1"},
		{"brackets", "https://h/?user[token]=x&password[]=y&a=1", "https://h/?a=1"},
		{"long s", "https://h/?\u017fid=x&a=1", "https://h/?a=1"},
		{"zero width in name", "https://h/?to\u200bken=x&a=1", "https://h/?a=1"},
		{"encoded NUL in name", "https://h/?to%00ken=x&a=1", "https://h/?a=1"},
		{"second question mark", "https://h/?a=1?token=x", "https://h/?a=1"},
		{"fragment", "https://h/cb#access_token=x&type=bearer&a=1", "https://h/cb#type=bearer&a=1"},
		{"fragment route", "https://h/#/reset?token=x&a=1", "https://h/#/reset?a=1"},
		{"anchor", "https://h/p#section-2", "https://h/p#section-2"},
		{"userinfo", "https://bob:hunter2@h/p", "https://h/p"},
		{"userinfo without slashes", "https:bob:hunter2@h/p", "https://h/p"},
		{"userinfo encoded", "https://bob%3Ahunter2%40h/p", "https://h/p"},
		{"userinfo backslash", `https:\\bob:hunter2@h\p`, "https://h/p"},
		{"userinfo, no scheme", "bob:hunter2@h/p", "h/p"},
		{"two at signs", "https://a@b:c@h/", "https://h/"},
		{"matrix", "https://h/a;jsessionid=AB12/b", "https://h/a/b"},
		{"matrix kept", "https://h/a;v=1/b", "https://h/a;v=1/b"},
		{"jwt in path", "https://h/verify/" + jwt + "/x", "https://h/verify/REDACTED/x"},
		{"jwt in harmless parameter", "https://h/?x=" + jwt, "https://h/?x=REDACTED"},
		{"github token", "https://h/ghp_16C7e42F292c6912E7710c838347Ae178B4a", "https://h/REDACTED"},
		{"hex in path", "https://h/reset/9f86d081884c7d659a2feaa0c55ad015", "https://h/reset/REDACTED"},
		{"after token segment", "https://h/token/abc12345", "https://h/token/REDACTED"},
		{"random letters", "https://h/x/qWzRtYpLkJhGfDsAxCvBnMqWeRtYuIoPaSdF", "https://h/x/REDACTED"},
		{"article", "https://h/wiki/The_Quick_Brown_Fox_Jumps_Over_2_Lazy_Dogs", "https://h/wiki/The_Quick_Brown_Fox_Jumps_Over_2_Lazy_Dogs"},
		{"slug", "https://h/how-to-build-a-really-long-article-slug-in-2024", "https://h/how-to-build-a-really-long-article-slug-in-2024"},
		{"camel", "https://h/HelloWorldFooBarBazQuxQuux2024", "https://h/HelloWorldFooBarBazQuxQuux2024"},
		{"uuid", "https://h/d/123e4567-e89b-12d3-a456-426614174000", "https://h/d/123e4567-e89b-12d3-a456-426614174000"},
		{"commit", "https://github.com/a/b/commit/9f86d081884c7d659a2feaa0c55ad0159f86d081", "https://github.com/a/b/commit/9f86d081884c7d659a2feaa0c55ad0159f86d081"},
		{"nested", "https://h/?redirect=https%3A%2F%2Fi%2F%3Ftoken%3Dx%26a%3D1", "https://h/?redirect=https%3A%2F%2Fi%2F%3Fa%3D1"},
		{"nested, untouched", "https://h/?redirect=https%3A%2F%2Fi%2F%3Fa%3D1", "https://h/?redirect=https%3A%2F%2Fi%2F%3Fa%3D1"},
		{"nested, raw", "https://h/?redirect=https://i/?token=x&a=1", "https://h/?redirect=https://i/&a=1"},
		{"nested twice", "https://h/?r=https%3A%2F%2Fi%2F%3Fr%3Dhttps%253A%252F%252Fj%252F%253Ftoken%253Dx", "https://h/?r=https%3A%2F%2Fi%2F%3Fr%3Dhttps%253A%252F%252Fj%252F"},
		{"nested userinfo", "https://h/?r=//u:p@i/", "https://h/?r=//i/"},
		{"nested value with ampersand", "https://h/?r=https%3A%2F%2Fi%2F%3Ftoken%3Dab%2526cd", "https://h/?r=https%3A%2F%2Fi%2F"},
		{"nested in path", "https://h/proxy/https%3A%2F%2Fu%3Ap%40i%2F%3Ftoken%3Dx", "https://h/proxy/https%3A%2F%2Fi%2F"},
		{"amazon", "https://b.s3.amazonaws.com/f.txt?X-Amz-Credential=AKIA&X-Amz-Signature=00ff&versionId=3", "https://b.s3.amazonaws.com/f.txt?versionId=3"},
		{"azure", "https://x.blob.core.windows.net/c/f?sv=2020-01-01&sig=abc%3D", "https://x.blob.core.windows.net/c/f?sv=2020-01-01"},
		{"data", "data:text/html,secret", "data:"},
		{"javascript", "javascript:fetch('/x')", "javascript:"},
		{"blob", "blob:https://u:p@h/1?token=x", "blob:https://h/1"},
		{"view-source", "view-source:https://h/?token=x", "view-source:https://h/"},
		{"mailto", "mailto:bob@example.com?subject=x", "mailto:bob@example.com?subject=x"},
		{"file", "file:///home/bob/a.pdf", "file:///home/bob/a.pdf"},
		{"about", "about:blank", "about:blank"},
		{"no scheme", "www.github.com", "www.github.com"},
		{"host and port", "localhost:8080/x?key=1", "localhost:8080/x"},
		{"control characters", "https://h/a\r\nb\u202e?x=1\x00", "https://h/ab?x=1"},
		{"markup", `https://h/<b>"x"`, "https://h/%3Cb%3E%22x%22"},
		{"host case", "HTTPS://ExAmple.COM/A", "https://example.com/A"},
		{"bad host", "https://exa mple<>/A", "https://invalid/A"},
		{"idn", "https://bücher.example/ß", "https://bücher.example/ß"},
		{"ipv6", "http://[2001:db8::1]:80/", "http://[2001:db8::1]:80/"},
		{"too long", "https://h/" + strings.Repeat("a", sanitize.MaxURL), "https://h/"},
		{"empty", "", ""},
		{"invalid escape", "https://h/100%?a=%zz", "https://h/100%?a=%zz"},
		{"custom", "https://h/?my_secret_thing=1&a=1", "https://h/?a=1"},
	}
	s := newSanitizer(t, "my_secret_thing")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.URL(tt.in)
			if got != tt.want {
				t.Errorf("URL(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
			if again := s.URL(got); again != got {
				t.Errorf("not a fixed point: %q then %q", got, again)
			}
		})
	}
}

// TestEveryName hides the guide's 20 parameters and those the guide misses, in
// each part of a URL and each spelling.
func TestEveryName(t *testing.T) {
	names := strings.Fields(`token session key password auth sid access_token api_key apikey api-secret secret
		api_token apitoken bearer jwt csrf xsrf nonce salt hash api_secret client_secret refresh_token id_token code
		state sig signature X-Amz-Signature X-Amz-Credential X-Amz-Security-Token private_token resetToken my_secret`)
	const secret = "pl4nted"
	s := newSanitizer(t)
	for _, n := range names {
		for _, spelled := range []string{n, strings.ToUpper(n), hexName(n, 1), hexName(n, 2), "x[" + n + "]"} {
			for _, form := range []string{
				"https://h/?%s=" + secret, "https://h/?a=1&%s=" + secret + "&b=2", "https://h/?a=1;%s=" + secret,
				"https://h/p;%s=" + secret + "/q", "https://h/#%s=" + secret, "https://h/#/x?%s=" + secret,
				"https://h/?next=" + url.QueryEscape("https://i/?%s="+secret), "//h/?%s=" + secret, "h/?%s=" + secret,
			} {
				in := strings.ReplaceAll(form, "%s", spelled)
				if strings.Contains(form, "%25s") {
					in = strings.ReplaceAll(form, "%25s", url.QueryEscape(spelled))
				}
				if got := s.URL(in); strings.Contains(got, secret) {
					t.Errorf("URL(%q) = %q", in, got)
				}
			}
		}
	}
}

func hexName(n string, layers int) string {
	out := fmt.Sprintf("%%%02x%s", n[0], n[1:])
	for range layers - 1 {
		out = strings.ReplaceAll(out, "%", "%25")
	}
	return out
}

func TestText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Status code: 404 — Not Found", "Status code: 404 — Not Found"},
		{"prose", "The secret: how to cook", "The secret: how to cook"},
		{"folded", "a\r\n b\t\tc", "a b c"},
		{"bidi and invisible", "a\u202eb\u200bc\u2066d\U000e0041", "abcd"},
		{"url", "See https://u:p@h/?token=abc now", "See https://h/ now"},
		{"url in brackets", "(https://h/?token=abc", "(https://h/"},
		{"pair", "Reset token=abc123", "Reset "},
		{"label", "password: hunter2 ok", "password: REDACTED ok"},
		{"label without space", "password:hunter2 ok", "password:REDACTED ok"},
		{"bearer", "Authorization Bearer abc12345", "Authorization Bearer REDACTED"},
		{"jwt", "Your " + jwt + " is ready", "Your REDACTED is ready"},
		{"percent", "100% sure & 50% off", "100% sure & 50% off"},
		{"equation", "x=1 is fine", "x=1 is fine"},
		{"mention", "Bob (@bob) on X: \"hi\"", "Bob (@bob) on X: \"hi\""},
		{"empty", "", ""},
	}
	s := newSanitizer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.Text(tt.in)
			if strings.TrimSpace(got) != strings.TrimSpace(tt.want) {
				t.Errorf("Text(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
			if again := s.Text(got); again != got {
				t.Errorf("not a fixed point: %q then %q", got, again)
			}
		})
	}
}

func TestPageHidesTheValuesOfTheURL(t *testing.T) {
	s := newSanitizer(t)
	for _, tt := range []struct{ url, title, wantURL, wantTitle string }{
		{"https://h/?token=horsestaple", "Welcome HorseStaple!", "https://h/", "Welcome REDACTED!"},
		{"https://h/?code=plane", "planetary plane", "https://h/", "planetary REDACTED"},
		{"https://bob:hunter22@h/", "hunter22 at h", "https://h/", "REDACTED at h"},
		{"https://h/?token=a%20bcdef", "x a bcdef", "https://h/", "x REDACTED"},
		{"https://h/?state=de", "de facto", "https://h/", "de facto"},
	} {
		u, title := s.Page(tt.url, tt.title)
		if u != tt.wantURL || title != tt.wantTitle {
			t.Errorf("Page(%q, %q) = %q, %q; want %q, %q", tt.url, tt.title, u, title, tt.wantURL, tt.wantTitle)
		}
	}
}

func TestNewRefusesBadNames(t *testing.T) {
	for _, bad := range [][]string{{""}, {"-_ "}, {strings.Repeat("a", 129)}, make([]string, 1001)} {
		if _, err := sanitize.New(bad); err == nil {
			t.Errorf("New(%.60q) accepted", bad)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://h/?token=x&a=1", "https://u:p@h/a;b=c?d#e=f", "https://h/?r=https%3A%2F%2Fi%2F%3Ftoken%3Dx",
		"data:,x", "view-source:blob:javascript:x", "%25%32%35", "a:b@c", "https://h/?%2574=%2575#?&;=@", "//[::1]\\x",
		"https://h/?a=\"b c\" d=e", "https://h/" + jwt,
	} {
		f.Add(seed)
	}
	s := newSanitizer(f)
	f.Fuzz(func(t *testing.T, in string) {
		got := s.URL(in)
		if again := s.URL(got); again != got {
			t.Fatalf("URL(%q) = %q, then %q", in, got, again)
		}
		if !utf8.ValidString(got) || strings.ContainsFunc(got, invisible.Rune) {
			t.Fatalf("URL(%q) = %q: unprintable", in, got)
		}
		text := s.Text(in)
		if again := s.Text(text); again != text {
			t.Fatalf("Text(%q) = %q, then %q", in, text, again)
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, invisible.Rune) {
			t.Fatalf("Text(%q) = %q: unprintable", in, text)
		}
	})
}

// FuzzSecret plants a secret in a chosen part of a URL built from hostile
// material and looks for it in the result.
func FuzzSecret(f *testing.F) {
	f.Add("a=1", "path", "s3cr", uint8(0), uint8(0))
	f.Add("x;y=%41", "p%2fq", "&;=%", uint8(3), uint8(2))
	f.Add("?", "#", "@/", uint8(5), uint8(1))
	f.Add("r=https://i/", ":", "a b", uint8(7), uint8(3))
	s := newSanitizer(f)
	names := []string{"token", "%74oken", "api_secret", "X-Amz-Signature", "user[password]", "Code", "client-secret"}
	f.Fuzz(func(t *testing.T, query, path, salt string, place, name uint8) {
		const marker = "pl4nt3dmarker"
		if strings.Contains(query+path+salt, marker) {
			return
		}
		secret := url.QueryEscape(salt + marker + salt)
		n := names[int(name)%len(names)]
		var in string
		switch place % 8 {
		case 0:
			in = "https://h/p?" + n + "=" + secret + "&" + query
		case 1:
			in = "https://h/" + path + "?" + strings.ReplaceAll(query, "#", "") + "&" + n + "=" + secret
		case 2:
			in = "https://h/#" + n + "=" + secret
		case 3:
			in = "https://u:" + secret + "@h/" + path + "?" + query
		case 4:
			in = "https://h/?next=" + url.QueryEscape("https://i/?"+n+"="+secret)
		case 5:
			in = "https://h/?next=" + url.QueryEscape("https://u:"+secret+"@i/")
		case 6:
			in = "https://h/a;" + n + "=" + secret + "/b?" + query
		case 7:
			in = "data:text/plain," + secret + path
		}
		if got := s.URL(in); strings.Contains(strings.ToLower(got), marker) {
			t.Fatalf("URL(%q) = %q", in, got)
		}
	})
}

func BenchmarkURL(b *testing.B) {
	s := newSanitizer(b)
	urls := []string{
		"https://example.com/articles/2024/10/how-to-read-a-map",
		"https://www.google.com/search?q=computer+forensics&oq=computer+forensics&aqs=chrome..69i57j0l5.1869j0j4&sourceid=chrome&ie=UTF-8",
		"https://h/cb?token=x1&a=1#id_token=zzz", "https://github.com/golang/go/issues/12345",
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.URL(urls[i%len(urls)])
	}
}
