package pii

// topic is what a word beside a number says it is about.
type topic uint16

const (
	aboutCard topic = 1 << iota
	aboutSSN
	aboutPhone
	aboutBirth
	aboutPassport
	aboutSteuer
	aboutBSN
	aboutAadhaar
	aboutCPF
	aboutHost
	aboutVersion
	aboutAccount
	aboutNIR
	aboutNINO
)

// topicWords are looked for at the beginnings of words, in lower case.
var topicWords = [...]struct {
	word  string
	about topic
}{
	{"card", aboutCard}, {"visa", aboutCard}, {"mastercard", aboutCard}, {"amex", aboutCard}, {"credit", aboutCard},
	{"debit", aboutCard}, {"maestro", aboutCard}, {"kreditkarte", aboutCard}, {"carte", aboutCard}, {"pan", aboutCard},
	{"ssn", aboutSSN}, {"social", aboutSSN},
	{"phone", aboutPhone}, {"telephone", aboutPhone}, {"telefon", aboutPhone}, {"tel", aboutPhone}, {"mobile", aboutPhone},
	{"mobil", aboutPhone}, {"handy", aboutPhone}, {"cell", aboutPhone}, {"call", aboutPhone}, {"fax", aboutPhone},
	{"whatsapp", aboutPhone}, {"sms", aboutPhone}, {"portable", aboutPhone}, {"reach", aboutPhone}, {"text", aboutPhone},
	{"ring", aboutPhone}, {"contact", aboutPhone}, {"dial", aboutPhone}, {"hotline", aboutPhone}, {"rufen", aboutPhone},
	{"birth", aboutBirth}, {"birthday", aboutBirth}, {"birthdate", aboutBirth}, {"dob", aboutBirth}, {"d.o.b", aboutBirth},
	{"born", aboutBirth}, {"geboren", aboutBirth}, {"geburtsdatum", aboutBirth}, {"geburtstag", aboutBirth}, {"geb.", aboutBirth},
	{"naissance", aboutBirth}, {"nacimiento", aboutBirth}, {"nascimento", aboutBirth}, {"geboortedatum", aboutBirth}, {"n\u00e9 le", aboutBirth},
	{"n\u00e9e le", aboutBirth}, {"nascita", aboutBirth},
	{"passport", aboutPassport}, {"reisepass", aboutPassport}, {"passeport", aboutPassport}, {"pasaporte", aboutPassport},
	{"paspoort", aboutPassport}, {"passaporte", aboutPassport}, {"passaporto", aboutPassport},
	{"steuer", aboutSteuer}, {"idnr", aboutSteuer}, {"tax", aboutSteuer}, {"tin", aboutSteuer},
	{"bsn", aboutBSN}, {"burgerservice", aboutBSN}, {"sofi", aboutBSN},
	{"aadhaar", aboutAadhaar}, {"aadhar", aboutAadhaar}, {"uidai", aboutAadhaar}, {"uid", aboutAadhaar},
	{"cpf", aboutCPF}, {"nir", aboutNIR}, {"securite", aboutNIR}, {"s\u00e9curit\u00e9", aboutNIR}, {"insee", aboutNIR}, {"secu", aboutNIR},
	{"nino", aboutNINO}, {"national", aboutNINO}, {"insurance", aboutNINO}, {"ni", aboutNINO},
	{"ip", aboutHost}, {"addr", aboutHost}, {"address", aboutHost}, {"host", aboutHost}, {"client", aboutHost}, {"server", aboutHost},
	{"from", aboutHost}, {"remote", aboutHost}, {"peer", aboutHost}, {"login", aboutHost},
	{"version", aboutVersion}, {"ver", aboutVersion}, {"firmware", aboutVersion}, {"release", aboutVersion}, {"build", aboutVersion},
	{"section", aboutVersion}, {"chapter", aboutVersion}, {"clause", aboutVersion}, {"driver", aboutVersion}, {"kernel", aboutVersion},
	{"upgrade", aboutVersion}, {"upgraded", aboutVersion}, {"sdk", aboutVersion}, {"revision", aboutVersion}, {"patch", aboutVersion},
	{"package", aboutVersion}, {"oid", aboutVersion}, {"chromium", aboutVersion}, {"bios", aboutVersion}, {"assembly", aboutVersion},
	{"annex", aboutVersion}, {"figure", aboutVersion}, {"step", aboutVersion}, {"requirement", aboutVersion},
}

// initial is a letter and what of topicWords begins with it.
type initial struct {
	about topic
	words []int
}

func byInitial() [26]initial {
	var t [26]initial
	for i, w := range topicWords {
		of := &t[w.word[0]-'a']
		of.words, of.about = append(of.words, i), of.about|w.about
	}
	return t
}

var initials = byInitial()

const nearby = 48

// topics reads the words before i, and the name of the string, for the topics
// that are wanted. The words are those of the same line.
func topics(name, s []byte, i int, want topic) topic {
	from := max(0, i-nearby)
	for k := i - 1; k > from; k-- {
		if s[k] == '\n' {
			from = k + 1
			break
		}
	}
	return scanTopics(s[from:i], from == 0 || !wordByte(at(s, from-1)), want) | scanTopics(name, true, want)
}

func scanTopics(s []byte, boundary bool, want topic) topic {
	var about topic
	lastLower := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !letter(c) {
			boundary, lastLower = true, false
			continue
		}
		begins := boundary || lastLower && c < 'a'
		lastLower, boundary = c >= 'a', false
		if !begins {
			continue
		}
		of := initials[c|0x20-'a']
		if of.about&want == 0 {
			continue
		}
		for _, k := range of.words {
			w := topicWords[k].word
			if topicWords[k].about&want == 0 || !hasFold(s[i:], w) {
				continue
			}
			if end := i + len(w); len(w) > 3 || end == len(s) || !letter(s[end]) || s[end] < 'a' && s[end-1] >= 'a' {
				about |= topicWords[k].about & want
			}
		}
	}
	return about
}
