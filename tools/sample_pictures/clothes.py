"""Draw the clothes: T-shirt, dress, jeans, shorts and socks."""

from tools.sample_pictures.primitives import (
    BLACK,
    WHITE,
    Sheet,
    arc,
    filled,
    mottled,
    moved,
    reflected,
    ribbed,
    stroked,
    symmetric,
    trace,
)


def draw_tshirt() -> Sheet:
    """Draw a plain round-necked T-shirt, laid flat."""
    red = (178, 34, 46)
    sheet = Sheet()
    jersey = mottled(1, 0.04) * mottled(40, 0.05)
    front = filled(
        symmetric(
            trace(
                "M 240 138 C 206 138 188 122 182 90 Q 146 104 112 116 Q 84 128 72 162 Q 52 214 38 262"
                " Q 70 282 108 286 Q 116 262 126 232 Q 132 330 126 420 Q 120 500 120 570 Q 180 580 240 580"
            )
        )
    )
    back_of_neck = filled(trace("M 182 90 Q 240 106 298 90 C 292 122 274 140 240 140 C 206 140 188 122 182 90"))
    sheet.cast_shadow(front)
    sheet.paint(back_of_neck, (118, 22, 32), bulge=6)
    sheet.tint(filled(trace("M 228 104 L 252 104 L 252 118 L 228 118")), (236, 232, 226), opacity=0.9)
    sheet.tint(stroked(trace("M 184 96 Q 240 111 296 96"), 8), (150, 28, 40))
    sheet.paint(front, red, bulge=13, relief=0.3, texture=jersey)

    collar = trace("M 182 90 C 188 124 206 141 240 141 C 274 141 292 124 298 90")
    sheet.paint(stroked(moved(collar, 0, 4), 11) * front, red, bulge=2.5, texture=ribbed(3, 0, 0.05))
    sheet.seam(trace("M 175 93 C 182 132 204 152 240 152 C 276 152 298 132 305 93"), front)
    for side in (
        trace("M 114 112 Q 106 160 126 236"),
        trace("M 43 251 Q 76 270 112 274"),
        trace("M 120 558 Q 180 568 240 568"),
    ):
        sheet.seam(side, front)
        sheet.seam(reflected(side), front)
    sheet.crease("M 128 238 Q 146 266 180 290", front, width=9, opacity=0.14)
    sheet.crease("M 348 238 Q 330 266 302 284", front, width=9, opacity=0.14)
    sheet.crease("M 134 330 Q 158 400 150 520", front, width=10, opacity=0.16)
    sheet.crease("M 336 360 Q 306 440 318 540", front, width=10, opacity=0.16)
    sheet.crease("M 214 330 Q 226 420 210 500", front, width=11, opacity=0.12)
    sheet.crease("M 112 150 Q 90 200 76 250", front, width=8, opacity=0.16)
    sheet.crease("M 372 156 Q 384 206 402 250", front, width=8, opacity=0.16)
    return sheet


def draw_dress() -> Sheet:
    """Draw a sleeveless A-line dress."""
    blue = (38, 84, 150)
    sheet = Sheet()
    crepe = mottled(1, 0.04) * mottled(30, 0.05)
    dress = filled(
        symmetric(
            trace(
                "M 240 128 C 212 126 198 94 194 50 L 160 56 C 166 96 160 126 140 152 Q 158 210 166 262"
                " C 150 360 104 470 66 580 Q 140 606 240 606"
            )
        )
    )
    sheet.cast_shadow(dress)
    back = filled(symmetric(trace("M 240 130 C 212 130 198 110 194 50 C 198 84 214 96 240 96")))
    sheet.paint(back, (22, 50, 96), bulge=6)
    sheet.paint(dress, blue, bulge=15, relief=0.35, texture=crepe)
    skirt_folds = (
        ("M 184 276 C 172 380 140 490 112 590", 13, 0.3),
        ("M 206 276 C 198 390 184 500 168 600", 14, 0.26),
        ("M 232 280 C 236 390 232 500 226 604", 14, 0.24),
        ("M 262 276 C 276 390 282 500 292 602", 14, 0.28),
        ("M 288 276 C 310 380 332 490 352 594", 13, 0.3),
        ("M 302 276 C 334 380 366 480 396 586", 9, 0.22),
    )
    for path, width, opacity in skirt_folds:
        sheet.crease(path, dress, width=width, opacity=opacity)
    for dart in (trace("M 176 236 Q 188 200 184 164"), trace("M 150 172 Q 176 180 196 184")):
        sheet.seam(dart, dress)
        sheet.seam(reflected(dart), dress)
    for edge in (trace("M 188 51 C 192 100 210 134 240 135"), trace("M 165 55 C 172 98 164 132 143 158")):
        sheet.seam(edge, dress)
        sheet.seam(reflected(edge), dress)
    sash = filled(trace("M 163 252 Q 240 264 317 252 L 316 276 Q 240 288 164 276")) * dress
    sheet.cast_shadow(sash, drop=3, soft=3)
    sheet.paint(sash, (26, 58, 110), bulge=5, relief=0.5)
    hem = trace("M 68 568 Q 140 594 240 594")
    sheet.seam(hem, dress)
    sheet.seam(reflected(hem), dress)
    return sheet


def draw_jeans() -> Sheet:
    """Draw blue jeans from the front, full length."""
    indigo, thread = (58, 82, 124), (206, 150, 84)
    sheet = Sheet()
    denim = ribbed(2.4, 35, 0.05) * mottled(1, 0.07) * mottled(9, 0.06) * mottled(50, 0.06)
    jeans = filled(
        symmetric(
            trace(
                "M 240 62 Q 196 60 152 50 L 147 84 C 132 130 122 170 122 222 C 122 340 132 460 132 596"
                " Q 176 604 220 600 C 228 460 236 340 240 230"
            )
        )
    )
    sheet.cast_shadow(jeans)
    back_waist = filled(trace("M 154 50 Q 240 38 326 50 Q 240 80 154 50"))
    sheet.paint(back_waist, (32, 46, 76), bulge=4)
    sheet.paint(jeans, indigo, bulge=15, relief=0.3, edge=0.45, texture=denim)

    # Worn denim is palest down the middle of each leg.
    fade = trace("M 176 160 Q 174 260 178 350 Q 180 460 178 570")
    for leg in (fade, reflected(fade)):
        sheet.tint(stroked(leg, 26), (190, 206, 226), soft=15, opacity=0.45, within=jeans)
    for path in ("M 232 234 Q 200 250 168 246", "M 226 262 Q 196 280 160 276", "M 160 392 Q 186 404 214 396"):
        sheet.crease(path, jeans, width=5, opacity=0.18)
    for path in ("M 250 236 Q 280 252 312 248", "M 254 264 Q 284 282 318 278", "M 268 398 Q 292 408 320 396"):
        sheet.crease(path, jeans, width=5, opacity=0.18)

    waistband = trace("M 147 84 Q 196 96 240 98")
    pocket = trace("M 208 96 Q 204 132 134 136")
    outseam = trace("M 140 138 C 129 180 129 220 130 270 C 132 400 139 500 139 590")
    inseam = trace("M 238 234 C 230 350 223 480 214 594")
    hem = trace("M 132 583 Q 176 591 222 587")
    for line in (waistband, pocket, outseam, inseam, hem):
        sheet.seam(line, jeans, thread=thread)
        sheet.seam(reflected(line), jeans, thread=thread)
    sheet.stitches(trace("M 152 56 Q 240 76 328 56"), thread, jeans)
    sheet.tint(stroked(trace("M 240 98 L 240 230"), 3), BLACK, soft=1, opacity=0.45, within=jeans)
    sheet.stitches(trace("M 268 100 Q 270 166 260 188 Q 252 204 242 210"), thread, jeans)
    for x in (176, 304):
        loop = filled(trace(f"M {x - 5} 54 L {x + 5} 54 L {x + 5} 98 L {x - 5} 98"))
        sheet.cast_shadow(loop, drop=2, soft=1.5, opacity=0.4)
        sheet.paint(loop, indigo, bulge=2.5, texture=denim)
    sheet.metal(filled(arc((240, 80), (7, 7))), (188, 140, 92))
    for x, y in ((206, 100), (274, 100), (140, 134), (340, 134)):
        sheet.metal(filled(arc((x, y), (2.4, 2.4))), (188, 140, 92))
    return sheet


def draw_shorts() -> Sheet:
    """Draw khaki shorts with a drawstring."""
    khaki, thread = (186, 160, 116), (132, 108, 70)
    sheet = Sheet()
    twill = ribbed(2.6, 40, 0.025) * mottled(1, 0.04) * mottled(40, 0.05)
    shorts = filled(
        symmetric(
            trace("M 240 138 Q 180 136 126 126 L 120 172 C 92 260 66 380 44 500 Q 120 530 222 530 Q 234 440 240 350")
        )
    )
    sheet.cast_shadow(shorts)
    sheet.paint(filled(trace("M 128 126 Q 240 108 352 126 Q 240 158 128 126")), (120, 98, 64), bulge=5)
    sheet.paint(shorts, khaki, bulge=14, relief=0.35, texture=twill)
    creases = (
        ("M 232 356 Q 196 372 150 364", 8, 0.2),
        ("M 248 356 Q 288 376 330 366", 8, 0.2),
        ("M 146 250 Q 124 380 112 500", 13, 0.14),
        ("M 190 390 Q 176 450 172 516", 12, 0.14),
        ("M 306 390 Q 316 450 320 516", 12, 0.14),
        ("M 344 250 Q 366 380 374 500", 13, 0.14),
    )
    for path, width, opacity in creases:
        sheet.crease(path, shorts, width=width, opacity=opacity)
    waistband = filled(symmetric(trace("M 240 138 Q 180 136 126 126 L 120 168 Q 180 178 240 180")))
    sheet.paint(waistband, khaki, bulge=6, relief=0.4, texture=twill * ribbed(6, 0, 0.1) * ribbed(9.7, 0, 0.05))
    for line in (
        trace("M 120 169 Q 180 179 240 181"),
        trace("M 158 176 Q 140 240 96 268"),
        trace("M 46 484 Q 120 513 224 513"),
    ):
        sheet.seam(line, shorts, thread=thread)
        sheet.seam(reflected(line), shorts, thread=thread)
    sheet.tint(stroked(trace("M 240 182 L 240 350"), 3), BLACK, soft=1, opacity=0.4, within=shorts)
    sheet.stitches(trace("M 264 184 Q 266 260 244 300"), thread, shorts)
    for cord in (trace("M 228 160 Q 206 200 216 256"), trace("M 252 160 Q 268 210 258 266")):
        string = stroked(cord, 5)
        sheet.cast_shadow(string, drop=3, soft=2, opacity=0.4)
        sheet.paint(string, (240, 234, 222), bulge=2, texture=ribbed(4, 70, 0.08))
        sheet.metal(filled(arc(cord[0], (5, 5))), (150, 124, 84))
        sheet.metal(stroked(cord[-3:], 6), (150, 124, 84))
    return sheet


def draw_socks() -> Sheet:
    """Draw a pair of socks side by side."""
    grey, accent = (112, 118, 128), (40, 56, 92)
    sheet = Sheet()
    knit = ribbed(3.2, 0, 0.05) * ribbed(3.2, 90, 0.03) * mottled(1, 0.05)
    sock = trace(
        "M 62 66 Q 110 58 162 66 C 166 180 166 280 172 362 C 186 420 250 470 286 516"
        " C 306 548 290 580 252 582 C 214 584 160 556 118 520 C 76 486 66 440 70 380 C 70 280 62 180 62 66"
    )
    cuff = trace("M 62 66 Q 110 58 162 66 L 164 124 Q 112 132 63 124")
    heel = trace("M 50 400 Q 108 402 136 444 Q 136 486 106 530 L 40 530")
    toe = trace("M 296 480 Q 236 500 214 600 L 330 610 L 330 480")
    for dx in (136.0, 0.0):
        shape = filled(moved(sock, dx + 12, 2))
        sheet.cast_shadow(shape)
        sheet.paint(shape, grey, bulge=14, relief=0.4, texture=knit)
        for part in (heel, toe):
            sheet.paint(filled(moved(part, dx + 12, 2)) * shape, accent, bulge=10, relief=0.1, edge=0.1, texture=knit)
        rib = filled(moved(cuff, dx + 12, 2)) * shape
        sheet.paint(rib, grey, bulge=8, texture=ribbed(6, 0, 0.16) * mottled(1, 0.05))
        for y in (84, 98):
            stripe = stroked(moved(trace(f"M 62 {y} Q 112 {y + 8} 164 {y}"), dx + 12, 2), 7)
            sheet.tint(stripe, accent, opacity=0.9, within=shape)
        for x, y in ((96, 300), (104, 350)):
            fold = f"M {x + dx} {y} Q {x + dx + 40} {y + 16} {x + dx + 84} {y - 4}"
            sheet.crease(fold, shape, width=7, opacity=0.14)
        gleam = moved(trace("M 96 140 Q 98 260 104 380"), dx + 12)
        sheet.tint(stroked(gleam, 14), WHITE, soft=12, opacity=0.2, within=shape)
    return sheet
