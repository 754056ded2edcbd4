# full PATH: reports the file system of PATH with its numbers if it has less than half a MiB or no
# further file to give, and prints nothing otherwise. Blocks come first: some file systems have no
# inodes to give once their blocks are used. Those without a limit report a size of 0.
full() {
  {
    df -kP "$1" | while read -r _ size _ left _ mount; do
      case "$size/$left" in
        [0-9]*/-[0-9]*) left=0 ;;
        *[!0-9/]* | 0/*) continue ;;
      esac
      [ "$left" -ge 512 ] ||
        echo "the file system of $mount is full ($left of $size KiB are free)"
    done
    df -iP "$1" | while read -r _ size _ left _ mount; do
      case "$size/$left" in
        *[!0-9/]* | 0/*) ;;
        */0) echo "the file system of $mount can hold no more files (0 of $size are free)" ;;
      esac
    done
  } 2>/dev/null | sed 1q
}
