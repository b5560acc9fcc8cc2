module example.com/x

go 1.26

require example.com/m v1.4.0
