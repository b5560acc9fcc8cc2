module example.com/x

go 1.26

replace example.com/a => ../a
