package secret

// Kinds that the detector reports.
const (
	KindAWS         = "secret.aws"
	KindGitHub      = "secret.github"
	KindGitLab      = "secret.gitlab"
	KindSlack       = "secret.slack"
	KindStripe      = "secret.stripe"
	KindAI          = "secret.ai_provider"
	KindGoogle      = "secret.google"
	KindPackages    = "secret.package_registry"
	KindCloud       = "secret.cloud"
	KindMessaging   = "secret.messaging"
	KindCommerce    = "secret.commerce"
	KindDeveloper   = "secret.developer"
	KindAzure       = "secret.azure"
	KindJWT         = "secret.jwt"
	KindPrivateKey  = "secret.private_key"
	KindConnection  = "secret.connection_string"
	KindBearer      = "secret.authorization"
	KindOwn         = "secret.own_key"
	KindKeyword     = "secret.named_value"
	KindPassword    = "secret.password"
	scoreSure       = 95 // a form that nothing else has, or a checksum
	scoreForm       = 85 // a distinct prefix and length
	scoreNamed      = 75 // a random value beside a telling name
	scoreWeak       = 30 // the form without the checksum: most likely made up
	maxTokenLen     = 4096
	maxPrivateBlock = 32 << 10
)

// chars is a set of bytes that may stand in a token.
type chars uint16

const (
	lower chars = 1 << iota
	upper
	digit
	underscore
	dash
	dot
	plusSlash
	hexLower
	equals
	space
	colon
	hexUpper
	base32

	alnum     = lower | upper | digit
	word      = alnum | underscore
	base64url = word | dash
	base64std = alnum | plusSlash | equals
)

// form is one credential that begins with fixed text.
type form struct {
	prefix   string
	kind     string
	min, max int // characters behind the prefix
	set      chars
	check    func(token []byte, prefix int) uint8 // nil: scoreForm
}

// forms are tried in order at every beginning of a word: of two with the same
// beginning, the longer one stands first.
var forms = [...]form{
	{"AKIA", KindAWS, 16, 16, base32, nil},
	{"ASIA", KindAWS, 16, 16, base32, nil},
	{"ABIA", KindAWS, 16, 16, base32, nil},
	{"ACCA", KindAWS, 16, 16, base32, nil},
	{"ghp_", KindGitHub, 36, 255, alnum, withCRC},
	{"gho_", KindGitHub, 36, 255, alnum, withCRC},
	{"ghu_", KindGitHub, 36, 255, alnum, withCRC},
	{"ghs_", KindGitHub, 36, 255, alnum, withCRC},
	{"ghr_", KindGitHub, 36, 255, alnum, withCRC},
	{"github_pat_", KindGitHub, 60, 255, word, nil},
	{"glpat-", KindGitLab, 20, 310, base64url | dot, nil},
	{"gldt-", KindGitLab, 20, 310, base64url | dot, nil},
	{"glrt-", KindGitLab, 20, 310, base64url | dot, nil},
	{"glptt-", KindGitLab, 40, 40, base64url, nil},
	{"xoxb-", KindSlack, 20, 255, alnum | dash, mixed},
	{"xoxp-", KindSlack, 20, 255, alnum | dash, mixed},
	{"xoxa-", KindSlack, 20, 255, alnum | dash, mixed},
	{"xoxr-", KindSlack, 20, 255, alnum | dash, mixed},
	{"xoxs-", KindSlack, 20, 255, alnum | dash, mixed},
	{"xoxe-", KindSlack, 20, 255, alnum | dash, mixed},
	{"xoxe.", KindSlack, 20, 255, alnum | dash | dot, mixed},
	{"xapp-", KindSlack, 20, 255, alnum | dash, mixed},
	{"hooks.slack.com/services/", KindSlack, 40, 90, alnum | plusSlash, mixed},
	{"sk_live_", KindStripe, 16, 255, alnum, mixed},
	{"sk_test_", KindStripe, 16, 255, alnum, mixed},
	{"rk_live_", KindStripe, 16, 255, alnum, mixed},
	{"rk_test_", KindStripe, 16, 255, alnum, mixed},
	{"whsec_", KindStripe, 24, 255, alnum | plusSlash | equals, mixed},
	{"sk-ant-", KindAI, 40, 255, base64url, mixed},
	{"sk-proj-", KindAI, 40, 255, base64url, mixed},
	{"sk-svcacct-", KindAI, 40, 255, base64url, mixed},
	{"sk-admin-", KindAI, 40, 255, base64url, mixed},
	{"sk-or-v1-", KindAI, 64, 64, hexLower, mixed},
	{"sk-", KindAI, 40, 64, alnum, mixed},
	{"hf_", KindAI, 30, 40, alnum, mixed},
	{"gsk_", KindAI, 40, 80, alnum, mixed},
	{"xai-", KindAI, 60, 120, alnum, mixed},
	{"pplx-", KindAI, 40, 80, alnum, mixed},
	{"r8_", KindAI, 37, 37, alnum, mixed},
	{"AIza", KindGoogle, 35, 35, base64url, mixed},
	{"ya29.", KindGoogle, 30, 2048, base64url | dot, mixed},
	{"GOCSPX-", KindGoogle, 28, 28, base64url, mixed},
	{"npm_", KindPackages, 36, 36, alnum, withCRC},
	{"pypi-AgEI", KindPackages, 50, 1000, base64url, mixed},
	{"rubygems_", KindPackages, 48, 48, hexLower, mixed},
	{"dckr_pat_", KindPackages, 27, 40, base64url, mixed},
	{"dop_v1_", KindCloud, 64, 64, hexLower, mixed},
	{"doo_v1_", KindCloud, 64, 64, hexLower, mixed},
	{"dor_v1_", KindCloud, 64, 64, hexLower, mixed},
	{"hvs.", KindCloud, 24, 300, base64url, mixed},
	{"hvb.", KindCloud, 24, 300, base64url, mixed},
	{"dapi", KindCloud, 32, 34, hexLower | dash, mixed},
	{"SG.", KindMessaging, 60, 70, base64url | dot, sendGrid},
	{"SK", KindMessaging, 32, 32, hexLower, mixed},
	{"key-", KindMessaging, 32, 32, hexLower, mixed},
	{"shpat_", KindCommerce, 32, 32, hexLower | hexUpper, mixed},
	{"shpss_", KindCommerce, 32, 32, hexLower | hexUpper, mixed},
	{"shpca_", KindCommerce, 32, 32, hexLower | hexUpper, mixed},
	{"shppa_", KindCommerce, 32, 32, hexLower | hexUpper, mixed},
	{"sq0atp-", KindCommerce, 22, 22, base64url, mixed},
	{"sq0csp-", KindCommerce, 43, 43, base64url, mixed},
	{"EAAA", KindCommerce, 60, 60, base64url, mixed},
	{"AGE-SECRET-KEY-1", KindPrivateKey, 58, 58, upper | digit, mixed},
	{"PMAK-", KindDeveloper, 59, 59, hexLower | dash, mixed},
	{"lin_api_", KindDeveloper, 40, 40, alnum, mixed},
	{"figd_", KindDeveloper, 40, 60, base64url, mixed},
	{"ntn_", KindDeveloper, 40, 60, alnum, mixed},
	{"sntrys_", KindDeveloper, 60, 500, base64std | underscore, mixed},
	{"glsa_", KindDeveloper, 41, 41, word, mixed},
	{"ATATT3", KindDeveloper, 100, 255, base64url | equals, mixed},
	{"ATBB", KindDeveloper, 32, 32, alnum, mixed},
}

// bucket is where the forms of one first letter stand.
type bucket struct {
	second [2]uint64 // which second letters begin a form
	forms  []form
}

// byFirst groups the forms by their first byte.
func byFirst() [128]bucket {
	var out [128]bucket
	for _, f := range forms {
		b := &out[f.prefix[0]]
		b.second[f.prefix[1]>>6] |= 1 << (f.prefix[1] & 63)
		b.forms = append(b.forms, f)
	}
	return out
}

var buckets = byFirst()

// charTable says of each byte in which sets it is.
func charTable() [256]chars {
	var t [256]chars
	for c := range 256 {
		b := byte(c)
		switch {
		case b >= 'a' && b <= 'z':
			t[c] |= lower
			if b <= 'f' {
				t[c] |= hexLower
			}
		case b >= 'A' && b <= 'Z':
			t[c] |= upper | base32
			if b <= 'F' {
				t[c] |= hexUpper
			}
		case b >= '0' && b <= '9':
			t[c] |= digit | hexLower | hexUpper | base32
		}
	}
	for c, set := range map[byte]chars{
		'_': underscore, '-': dash, '.': dot, '+': plusSlash, '/': plusSlash, '=': equals, ' ': space, ':': colon,
	} {
		t[c] |= set
	}
	return t
}

var table = charTable()

// run returns the end of the longest run of bytes of a set from i on, at most
// limit bytes.
func run(s []byte, i int, set chars, limit int) int {
	end := min(len(s), i+limit)
	for i < end && table[s[i]]&set != 0 {
		i++
	}
	return i
}
