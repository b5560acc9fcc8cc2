package invisible_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/invisible"
)

func TestFind(t *testing.T) {
	for text, want := range map[string]string{
		"a\u200bb": invisible.KindZeroWidth, "x\U000e0041\U000e0042": invisible.KindTag, "a\u202eb": invisible.KindBidi, "a\ufe01\ufe02\ufe03": invisible.KindVariation,
		"\u200b\u200bסוף": invisible.KindZeroWidth, "👨\u200d👩\u200d👧": "", "❤️": "", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f": "", "می\u200cخواهم": "", "שלום\u200f!": "", "\ufeffa": "", "葛\U000e0100": "", "Größe": "", "\xff\xfe": "",
	} {
		got := ""
		for _, f := range (invisible.Detector{}).Find(nil, []byte(text)) {
			if f.Score >= 60 {
				got = f.Kind
			}
		}
		if got != want {
			t.Errorf("%+q: %q, want %q", text, got, want)
		}
	}
}
