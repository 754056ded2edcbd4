# useradd --create-home --shell SHELL NAME
echo "useradd $*" >>ROOT/state/calls
mkdir -p "ROOT/home/$4"
echo "$4:x:1001:1001::ROOT/home/$4:$3" >>ROOT/etc/passwd
echo "$4:!:19000:0:99999:7:::" >>ROOT/etc/shadow
