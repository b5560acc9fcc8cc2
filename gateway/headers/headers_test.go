package headers

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func names(fields []portcullis.Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Name+"="+f.Value)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestToUpstream(t *testing.T) {
	h := http.Header{
		"Accept": {"a", "b"}, "Mcp-Name": {"n"}, "Mcp-Param-X": {"x"}, "Mcp-Param-Y": {"y"},
		"Authorization": {"s3cr3t"}, "Cookie": {"s3cr3t"}, "X-Api-Key": {"s3cr3t"}, "Mcp-Session-Id": {"s3cr3t"}, "X-Forwarded-For": {"s3cr3t"},
	}
	if got := names(ToUpstream(nil, h, "", nil)); got != "Accept=a Accept=b Mcp-Name=n Mcp-Param-X=x Mcp-Param-Y=y" {
		t.Error(got)
	}
	anew := func(name string) (string, bool) { return "new", name == "Mcp-Param-X" }
	if got := names(ToUpstream(nil, h, "t", anew)); got != "Accept=a Accept=b Mcp-Name=t Mcp-Param-X=new" {
		t.Error(got)
	}
}

func TestToCaller(t *testing.T) {
	got := http.Header{}
	ToCaller(got, http.Header{"Content-Type": {"a", "b"}, "Set-Cookie": {"s3cr3t"}, "Server": {"s3cr3t"}, "Www-Authenticate": {"s3cr3t"}})
	if len(got) != 1 || !slices.Equal(got["Content-Type"], []string{"a"}) {
		t.Error(got)
	}
}
