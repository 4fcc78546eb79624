"""Colours, markers and dashes of all figures."""

# Okabe and Ito's palette, told apart by everyone; markers and dashes repeat the distinction in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
# Where black is the optimum's; two more hues that stay apart from the others with any colour vision.
PALETTE = (*(colour for colour in COLOURS if colour != "#000000"), "#882255", "#44AA99")
MARKERS = "osD^vP*X<p"
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)))
# Of grids: PostScript knows nothing that shines through.
GRID = "#E7E7E7"
