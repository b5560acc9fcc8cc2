package pii

// luhn is the check of ISO/IEC 7812.
func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// mod97 is ISO 7064 over digits and letters (A = 10).
func mod97(rem int, text []byte) int {
	for _, c := range text {
		switch {
		case digit(c):
			rem = (rem*10 + int(c-'0')) % 97
		case letter(c):
			rem = (rem*100 + int(c|0x20-'a') + 10) % 97
		}
	}
	return rem
}

// mod11x10 is ISO 7064 MOD 11,10, of German tax numbers.
func mod11x10(d []byte) bool {
	product := 10
	for _, c := range d[:len(d)-1] {
		sum := (int(c-'0') + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	return (11-product)%10 == int(d[len(d)-1]-'0')
}

var (
	verhoeffProduct = [10]string{"0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043", "8765932104", "9876543210"}
	verhoeffPermute = [8]string{"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258"}
)

// verhoeff is the check of Indian Aadhaar numbers.
func verhoeff(d []byte) bool {
	c := byte(0)
	for i := range d {
		p := verhoeffPermute[i%8][d[len(d)-1-i]-'0'] - '0'
		c = verhoeffProduct[c][p] - '0'
	}
	return c == 0
}

// eleven is the weighted check of Dutch BSN.
func eleven(d []byte) bool {
	sum := 0
	for i, c := range d {
		w := len(d) - i
		if w == 1 {
			w = -1
		}
		sum += w * int(c-'0')
	}
	return sum%11 == 0
}

// cpf checks the two digits at the end of a Brazilian number.
func cpf(d []byte) bool {
	if same(d) {
		return false
	}
	for n := 9; n <= 10; n++ {
		sum := 0
		for i := range n {
			sum += (n + 1 - i) * int(d[i]-'0')
		}
		if sum*10%11%10 != int(d[n]-'0') {
			return false
		}
	}
	return true
}

// steuerDigits wants what the first ten digits of a German tax number have:
// exactly one digit twice or three times, no other more than once.
func steuerDigits(d []byte) bool {
	var count [10]int
	for _, c := range d[:10] {
		count[c-'0']++
	}
	twice := 0
	for _, n := range count {
		if n > 3 {
			return false
		}
		if n > 1 {
			twice++
		}
	}
	return d[0] != '0' && twice == 1
}

func same(d []byte) bool {
	for _, c := range d {
		if c != d[0] {
			return false
		}
	}
	return true
}

// ibanLength returns how long the accounts of a country are, 0 for unknown
// countries. From the registry of SWIFT.
func ibanLength(country [2]byte) int {
	const table = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18" +
		"FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24" +
		"ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25" +
		"SV28TL23TN24TR26UA29VA22VG24XK20YE30"
	for i := 0; i < len(table); i += 4 {
		if table[i] == country[0] && table[i+1] == country[1] {
			return int(table[i+2]-'0')*10 + int(table[i+3]-'0')
		}
	}
	return 0
}

// cardNetwork reports whether digits have the beginning and length of a
// network's cards; rare says that they are so common otherwise that a word
// must stand beside them.
func cardNetwork(d []byte) (ok, rare bool) {
	n := len(d)
	six := 0
	for _, c := range d[:6] {
		six = six*10 + int(c-'0')
	}
	two, four := six/10000, six/100
	switch {
	case d[0] == '4':
		return n == 16 || n == 13 || n == 19, n != 16
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720:
		return n == 16, false
	case two == 34 || two == 37:
		return n == 15, false
	case four == 6011, six/1000 >= 644 && six/1000 <= 649, two == 65:
		return n == 16 || n == 19, n != 16
	case six/1000 >= 300 && six/1000 <= 305, two == 36, two == 38 || two == 39:
		return n == 14, false
	case four >= 3528 && four <= 3589:
		return n == 16, false
	case two == 62:
		return n >= 16 && n <= 19, n != 16
	case two == 50, two >= 56 && two <= 69:
		return n >= 13 && n <= 19, true
	}
	return false, false
}

// callingCode reports whether digits begin with a country calling code of
// the ITU and have a length that numbers there have.
func callingCode(d []byte) bool {
	n := len(d)
	if n < 8 || n > 15 {
		return false
	}
	two := int(d[0]-'0')*10 + int(d[1]-'0')
	switch d[0] {
	case '1':
		return n == 11 && d[1] >= '2' && d[4] >= '2'
	case '7':
		return n == 11
	}
	switch two {
	case 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58,
		60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98:
		return n >= 9
	}
	const three = " 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 850 852 853 855 856 880 886 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 992 993 994 995 996 998 "
	for i := 1; i < len(three); i += 4 {
		if three[i] == d[0] && three[i+1] == d[1] && three[i+2] == d[2] {
			return n >= 9
		}
	}
	return false
}
