"""Every number that bounds what a peer may send, with its reason. Both ends and the schema take them from here."""

from __future__ import annotations

PROTOCOL = 1
SUBPROTOCOL = "wonderzoom.v1"

# ---- messages -------------------------------------------------------------------------------------------
MAX_BEFORE_WELCOME = 1 << 10  # bytes: a hello; whoever is unknown gets no more memory than this
MAX_FROM_CLIENT = 1 << 16  # bytes: a chunk of an upload and its envelope
MAX_FROM_SERVER = 1 << 20  # bytes: a still of 4 megapixels
MAX_PICTURE = MAX_FROM_SERVER - 16384  # bytes of a picture: a camera and more go beside it
HELLO_WITHIN_S = 5.0  # a connection that says nothing costs a socket
MESSAGES_PER_S = 240  # a camera for each frame of a 120 Hz display, and as much again
MESSAGE_BURST = 480  # two seconds of them, after a stall of the network
MAX_MALFORMED = 3  # then the connection is closed: a peer that is wrong keeps being wrong

# ---- places and cameras -----------------------------------------------------------------------------------
MAX_INDEX_BYTES = 256  # two's complement; 2^2000 times the first view
MAX_LEVEL = 2000  # octree levels up and down; its indices fit into MAX_INDEX_BYTES
MAX_OFFSET = 1024.0  # cell edges; the server sends offsets of [-1, 1] (docs/adr/0009)
MAX_LN = 2000.0  # of lengths and focal lengths: more than MAX_LEVEL octaves
MAX_PRINCIPAL = 1e6  # pixels
MIN_SIDE, MAX_SIDE = 16, 4096  # pixels of a viewport
MAX_VIEWS = 2  # cameras and pictures of one message: an eye each

# ---- words and ids ----------------------------------------------------------------------------------------
MAX_PROMPT = 2000  # characters, as generation takes them
MAX_NAME = 32  # characters that a person is shown by
MAX_ID = 64  # characters of a request, node or viewer id
MAX_TOKEN = 128  # characters
MAX_TEXT = 500  # characters of a message to a person
MAX_FILE_NAME = 255  # characters; a label only, never a path

# ---- zooms --------------------------------------------------------------------------------------------------
MIN_FACTOR, MAX_FACTOR = 1.4143, 16.0  # more than sqrt 2 and what one step of generation bridges
MAX_WORDS = 64  # words that a result says were ignored or placed
MAX_PREVIEW = 1 << 16  # bytes of a preview as JPEG

# ---- frames -------------------------------------------------------------------------------------------------
# Frames that are not acknowledged: one to be shown, one on its way. With one, a link idles for its latency; every
# further one is only older when it is seen.
MAX_IN_FLIGHT = 2
MAX_FPS = 120
MAX_ZETA = 1e30  # pixels at a pivot: a scene that is seen through a lens of 10^27 pixels
MAX_DEPTH_SIDE = 2048  # samples: half of a viewport's
MAX_DEPTH_SAMPLES = 1 << 20  # of one picture
MAX_DEPTH = 512 << 10  # bytes of them

# ---- surfels ------------------------------------------------------------------------------------------------
SURFEL_FORMAT = 1  # of payloads; a hello lists those that a client reads
MAX_SURFELS = 1 << 15  # of one payload: eight times those of a cell whose surface faces the view
MAX_PAYLOAD = 576 << 10  # bytes of one: what MAX_SURFELS take where nothing of them can be deflated
MAX_BOUNDS = 72 << 10  # bytes of the bounds of one
MAX_PYRAMID = 64  # levels of a pyramid: each has fewer surfels than the one before
MAX_LEVELS = 1_000  # levels that one message brings, or has bounds for
MAX_SHOWN = 10_000  # blocks of which one message says how they are shown: 0.5 MB
MAX_NAMED = 1_000  # levels that a client names in one message: 50 kB
# Bytes of surfels on their way that are not acknowledged: more than a link of 20 Mbit/s holds in a third of a second.
MAX_UNACKED = 1 << 20
# Surfels that a client keeps: a thousand show something, 64 million are 2 GB.
MIN_BUDGET, MAX_BUDGET = 1_000, 1 << 26
MAX_LOD_BIAS = 8.0  # octaves

# ---- lists of a session ---------------------------------------------------------------------------------------
MAX_VIEWERS = 256
MAX_PENDING = 256
MAX_WORLDS = 1_000  # of one server, as a welcome lists them
MAX_BOOKMARKS = 256  # of one world: 0.3 MB where all of them lie as deep as can be
MAX_NODES = 10_000  # nodes in one message, as far as its bytes allow; the rest follows in further commits

# ---- uploads ------------------------------------------------------------------------------------------------
MAX_UPLOAD = 64 << 20  # bytes: what cameras make as JPEG or PNG
MAX_CHUNK = 60 << 10  # bytes: fits a message
