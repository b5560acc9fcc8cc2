package url_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/url"
)

func TestFind(t *testing.T) {
	names, err := url.NewNames([]string{"my_secret"})
	if err != nil {
		t.Fatal(err)
	}
	d := url.New(names, []string{"acme.io"})
	for text, want := range map[string]string{
		"https://h/?%74oken=Abc123&a=1": "Abc123", "https://h/?%2574oken=Abc123": "Abc123", "https://h/#access_token=Abc123&x": "Abc123", "https://u:p4ss@h/": "p4ss",
		"https://h/a;api_key=Abc1/b": "Abc1", "https://h/?a=1;client_secret=zz": "zz", "https://h/?r=https://i/?token=x9&b": "x9", "https://h/?my_secret=q": "q",
		"https://h/?user[password]=x1": "x1", "https://h/?X-Amz-Signature=00ff&X-Amz-Date=1": "00ff", "![](https://cdn.acme.io/x.png)": "", "![](https://evil.io/x.png)": "https://evil.io/x.png",
		"![](https://acme.io.evil.io/x.png)": "https://acme.io.evil.io/x.png", "<img src='//evil.io/x'>": "//evil.io/x", "https://evil.io/x.png": "", "https://h/?state=CA&q=token": "", "//": "", "https://": "",
	} {
		got := ""
		for _, f := range d.Find(nil, []byte(text)) {
			if f.Score >= 60 {
				got += text[f.Start:f.End]
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
