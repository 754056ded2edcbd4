# gpasswd --delete NAME GROUP
echo "gpasswd $*" >>ROOT/state/calls
sed -i "/^$3:/{s/\([:,]\)$2,/\1/;s/,$2$//;s/:$2$/:/;}" ROOT/etc/group
