"""Draw the accessories: handbag, backpack, belt, watch and sunglasses."""

import math

from tools.sample_pictures.primitives import (
    BACKDROP,
    BLACK,
    WHITE,
    Sheet,
    arc,
    filled,
    mottled,
    moved,
    reflected,
    ribbed,
    rounded_box,
    stroked,
    symmetric,
    trace,
)

STEEL = (200, 203, 208)
BRASS = (206, 172, 104)


def draw_handbag() -> Sheet:
    """Draw a tan leather handbag with two handles."""
    tan, dark_tan, thread = (172, 106, 58), (120, 70, 36), (226, 184, 136)
    sheet = Sheet()
    leather = mottled(2, 0.05) * mottled(30, 0.06)
    sheet.tint(filled(arc((240, 578), (196, 10))), BLACK, soft=9, opacity=0.5)
    handle = trace("M 148 318 C 146 180 176 84 240 84 C 304 84 334 180 332 318")
    sheet.paint(stroked(moved(handle, 0, -16), 14), dark_tan, bulge=4, relief=0.6)

    body = filled(symmetric(trace("M 240 272 Q 150 270 88 280 Q 66 400 46 540 Q 44 574 74 578 Q 160 584 240 584")))
    sheet.paint(body, tan, bulge=16, relief=0.4, edge=0.5, texture=leather)
    gusset = trace("M 88 280 L 46 540 Q 44 574 74 578 Q 84 420 88 280")
    for side in (gusset, reflected(gusset)):
        sheet.tint(filled(side), BLACK, soft=3, opacity=0.25, within=body)
    top_band = filled(symmetric(trace("M 240 268 Q 150 266 86 277 L 82 306 Q 150 298 240 298")))
    sheet.paint(top_band, dark_tan, bulge=5, relief=0.5, texture=leather)
    sheet.tint(stroked(trace("M 100 283 Q 240 270 380 283"), 4), BRASS, opacity=0.9, within=top_band)
    base = filled(symmetric(trace("M 240 520 Q 150 520 40 508 L 36 600 L 240 600"))) * body
    sheet.paint(base, dark_tan, bulge=8, relief=0.4, texture=leather)
    sheet.stitches(trace("M 50 504 Q 240 526 430 504"), thread, body)
    sheet.stitches(trace("M 86 312 Q 240 300 394 312"), thread, body)
    sheet.crease("M 120 330 Q 138 400 122 490", body, width=14, opacity=0.14)
    sheet.crease("M 352 340 Q 336 410 356 490", body, width=14, opacity=0.14)
    sheet.tint(stroked(trace("M 120 350 Q 200 336 300 340"), 30), WHITE, soft=24, opacity=0.2, within=body)

    grip = stroked(handle, 15)
    sheet.cast_shadow(grip, drop=4, soft=4, opacity=0.3)
    sheet.paint(grip, tan, bulge=4, relief=0.7, texture=leather)
    sheet.stitches(handle, thread)
    for x in (148, 332):
        tab = filled(trace(f"M {x - 15} 330 L {x + 15} 330 L {x + 15} 384 Q {x} 408 {x - 15} 384"))
        sheet.cast_shadow(tab, drop=3, soft=3, opacity=0.4)
        sheet.paint(tab, dark_tan, bulge=4, relief=0.5, texture=leather)
        sheet.stitches(trace(f"M {x - 10} 334 L {x - 10} 380 Q {x} 396 {x + 10} 380 L {x + 10} 334"), thread)
        sheet.metal(stroked(arc((x, 325), (14, 12)), 4.5), BRASS)
        sheet.metal(filled(arc((x, 372), (4.5, 4.5))), BRASS)
    clasp = filled(trace("M 222 290 L 258 290 L 258 352 Q 240 368 222 352"))
    sheet.cast_shadow(clasp, drop=3, soft=3, opacity=0.4)
    sheet.paint(clasp, dark_tan, bulge=4, relief=0.5, texture=leather)
    sheet.metal(filled(rounded_box(229, 326, 251, 348, 4)), BRASS)
    return sheet


def draw_backpack() -> Sheet:
    """Draw a backpack from the front, with a top handle and a front pocket."""
    slate, dark, orange = (62, 76, 92), (36, 42, 52), (226, 112, 40)
    sheet = Sheet()
    nylon = ribbed(2.6, 0, 0.03) * ribbed(2.6, 90, 0.03) * mottled(1, 0.04) * mottled(40, 0.06)
    sheet.tint(filled(arc((240, 596), (150, 9))), BLACK, soft=8, opacity=0.5)
    strap = trace("M 150 120 C 96 150 66 260 72 420 Q 76 520 110 560")
    for side in (strap, reflected(strap)):
        sheet.paint(stroked(side, 18), dark, bulge=4, relief=0.6)
    sheet.paint(stroked(trace("M 200 92 C 200 36 280 36 280 92"), 13), dark, bulge=4, relief=0.8)
    side_pocket = trace("M 120 410 Q 78 420 76 450 L 82 560 Q 90 588 130 588")
    for side in (side_pocket, reflected(side_pocket)):
        sheet.paint(filled(side), dark, bulge=7, texture=ribbed(4, 45, 0.12) * ribbed(4, -45, 0.12))

    body = filled(
        symmetric(trace("M 240 78 C 160 78 120 104 110 190 C 98 300 92 420 98 540 Q 102 594 150 598 L 240 600"))
    )
    sheet.paint(body, slate, bulge=20, relief=0.5, edge=0.55, texture=nylon)
    main_zip = trace("M 116 380 C 112 230 126 116 240 112 C 354 116 368 230 364 380")
    sheet.tint(stroked(main_zip, 9), dark, within=body)
    sheet.tint(stroked(main_zip, 2.5), (150, 156, 164), opacity=0.8, within=body)

    upper_pocket = filled(rounded_box(148, 196, 332, 320, 26))
    sheet.cast_shadow(upper_pocket, drop=4, soft=5, opacity=0.35)
    sheet.paint(upper_pocket, slate, bulge=9, relief=0.5, texture=nylon)
    sheet.tint(stroked(trace("M 156 224 Q 240 216 324 224"), 8), dark)
    sheet.tint(stroked(trace("M 156 224 Q 240 216 324 224"), 2.5), (150, 156, 164), opacity=0.8)
    front_pocket = filled(
        symmetric(trace("M 240 346 L 158 348 Q 128 352 126 390 Q 118 470 124 550 Q 128 582 160 584 L 240 586"))
    )
    sheet.cast_shadow(front_pocket, drop=5, soft=6, opacity=0.4)
    sheet.paint(front_pocket, slate, bulge=13, relief=0.5, edge=0.45, texture=nylon)
    pocket_zip = trace("M 128 420 C 126 376 140 368 170 368 L 310 368 C 340 368 354 376 352 420")
    sheet.tint(stroked(pocket_zip, 9), dark, within=front_pocket)
    sheet.tint(stroked(pocket_zip, 2.5), (150, 156, 164), opacity=0.8, within=front_pocket)
    sheet.crease("M 160 440 Q 190 500 170 566", front_pocket, width=12, opacity=0.16)
    sheet.crease("M 310 430 Q 288 500 312 566", front_pocket, width=12, opacity=0.16)
    patch = filled(rounded_box(214, 446, 266, 482, 6))
    sheet.cast_shadow(patch, drop=2, soft=2)
    sheet.paint(patch, (146, 92, 54), bulge=4)
    for path in ("M 300 221 L 304 246", "M 170 369 L 164 396", "M 130 230 L 128 258", "M 350 230 L 352 258"):
        pull = stroked(trace(path), 6)
        sheet.cast_shadow(pull, drop=2, soft=2, opacity=0.5)
        sheet.paint(pull, orange, bulge=2)
    return sheet


def draw_belt() -> Sheet:
    """Draw a rolled leather belt with its buckle in front."""
    brown, edge_brown, inside = (92, 52, 30), (60, 34, 20), (150, 108, 74)
    sheet = Sheet()
    leather = mottled(2, 0.05) * mottled(24, 0.06)
    middle, drop = (240.0, 270.0), 100.0
    sheet.tint(filled(arc((240, 374), (190, 66))), BLACK, soft=9, opacity=0.4)

    for radii in ((192.0, 66.0), (180.0, 58.0), (168.0, 51.0)):
        sheet.tint(filled(arc(middle, radii)), (30, 18, 12))
        sheet.paint(stroked(arc(middle, radii), 6), edge_brown, bulge=2, relief=0.6)
    hollow = filled(arc(middle, (165, 48)))
    sheet.paint(hollow, inside, bulge=14, relief=-0.5, edge=0.7, texture=leather)
    floor = filled(arc((middle[0], middle[1] + drop), (165, 48))) * hollow
    sheet.tint(floor, BACKDROP)
    sheet.tint(floor, BLACK, soft=2, opacity=0.25, within=floor)

    rim = arc(middle, (194, 68), 0, 180)
    band = filled(rim + moved(rim[::-1], 0, drop))
    sheet.paint(band, brown, bulge=9, relief=0.5, edge=0.3, texture=leather)
    # The band is a drum: it turns away from the light on both sides.
    for x, width, colour, opacity in ((46, 50, BLACK, 0.5), (434, 70, BLACK, 0.6), (130, 46, WHITE, 0.2)):
        sheet.tint(stroked(trace(f"M {x} 200 L {x} 460"), width), colour, soft=20, opacity=opacity, within=band)
    for dy in (9, drop - 9):
        sheet.stitches(moved(rim, 0, dy), (196, 150, 104), band)
    sheet.tint(stroked(moved(rim, 0, 1), 3), (150, 100, 66), opacity=0.7)

    tip = trace("M 182 328 L 98 306 Q 70 330 72 362 Q 78 396 98 408 L 182 438")
    sheet.cast_shadow(filled(tip) * band, drop=2, soft=4, opacity=0.5)
    sheet.paint(filled(tip) * band, brown, bulge=7, relief=0.6, edge=0.3, texture=leather)
    keeper = filled(trace("M 118 318 L 142 325 L 142 434 L 118 427"))
    sheet.cast_shadow(keeper, drop=3, soft=3, opacity=0.5)
    sheet.paint(keeper, brown, bulge=4, relief=0.5, texture=leather)
    for x in (322, 358, 392):
        y = middle[1] + drop / 2 + 68 * math.sqrt(1 - ((x - 240) / 194) ** 2)
        sheet.tint(filled(arc((x, y), (4, 5))), (20, 12, 8))
    outer, window = rounded_box(178, 322, 298, 450, 16), rounded_box(196, 341, 280, 431, 7)
    frame = filled(outer) * (1 - filled(window))
    sheet.metal(frame, STEEL)
    sheet.metal(stroked(trace("M 188 388 Q 240 380 292 387"), 10), STEEL)
    sheet.metal(filled(rounded_box(176, 378, 200, 398, 5)), STEEL)
    return sheet


def draw_watch() -> Sheet:
    """Draw a wrist watch upright, with a leather strap and a round dial."""
    leather, thread = (70, 42, 28), (190, 146, 100)
    sheet = Sheet()
    grain = mottled(2, 0.06) * mottled(20, 0.06)
    x, y = 240.0, 312.0
    upper = symmetric(trace("M 240 52 L 200 52 Q 196 130 184 240 L 240 240"))
    lower = symmetric(trace("M 240 390 L 184 390 Q 198 490 202 566 Q 212 594 240 600"))
    strap = filled(upper, lower)
    sheet.cast_shadow(strap)
    sheet.paint(strap, leather, bulge=9, relief=0.5, edge=0.4, texture=grain)
    for line in (trace("M 207 60 Q 203 140 193 230"), trace("M 193 400 Q 206 490 209 562 Q 218 584 240 591")):
        sheet.stitches(line, thread, strap)
        sheet.stitches(reflected(line), thread, strap)
    for hole in range(5):
        sheet.tint(filled(arc((x, 478 + 21 * hole), (3.6, 4.2))), (24, 14, 10))
    buckle = filled(rounded_box(190, 34, 290, 66, 9)) * (1 - filled(rounded_box(201, 44, 279, 60, 4)))
    sheet.metal(buckle, STEEL)
    sheet.metal(stroked(trace("M 240 42 L 240 64"), 6), STEEL)
    for loop_y in (92, 118):
        loop = filled(rounded_box(191, loop_y, 289, loop_y + 15, 4))
        sheet.cast_shadow(loop, drop=2, soft=2, opacity=0.4)
        sheet.paint(loop, leather, bulge=4, relief=0.5, texture=grain)

    for lug in (trace("M 172 200 L 194 196 L 200 250 L 158 250"), trace("M 172 424 L 194 428 L 200 374 L 158 374")):
        sheet.metal(filled(lug, reflected(lug)), STEEL)
    sheet.metal(filled(rounded_box(352, 298, 374, 326, 4)), STEEL)
    for pusher_y in (248, 358):
        sheet.metal(filled(rounded_box(334, pusher_y, 356, pusher_y + 18, 4)), STEEL)
    case = filled(arc((x, y), (118, 118)))
    sheet.cast_shadow(case, drop=5, soft=6, opacity=0.4)
    sheet.paint(case, STEEL, bulge=6, relief=0.8, edge=0.4)
    sheet.tint(filled(arc((x, y), (106, 106))), (120, 123, 128))
    sheet.paint(filled(arc((x, y), (104, 104))), (168, 171, 176), bulge=3, relief=-0.8)
    dial = filled(arc((x, y), (94, 94)))
    sheet.paint(dial, (244, 243, 238), bulge=6, relief=-0.2, edge=0.25)
    for sub_x, sub_y in ((x - 44, y), (x + 44, y), (x, y + 46)):
        sheet.tint(filled(arc((sub_x, sub_y), (21, 21))), (214, 213, 206))
        sheet.tint(stroked(arc((sub_x, sub_y), (21, 21)), 1.5), (120, 120, 118))
        sheet.tint(stroked([(sub_x, sub_y), (sub_x + 8, sub_y - 12)], 2), (50, 50, 54))
    for minute in range(60):
        turn = math.radians(6 * minute)
        inner, width = (74.0, 6.0) if minute % 5 == 0 else (86.0, 1.2)
        mark = [(x + r * math.sin(turn), y - r * math.cos(turn)) for r in (inner, 90.0)]
        sheet.tint(stroked(mark, width), (44, 44, 48))
    # Ten past ten, as in every shop window.
    for turn_degrees, length, width in ((305.0, 50.0, 7.0), (60.0, 74.0, 5.0), (200.0, 80.0, 1.8)):
        turn = math.radians(turn_degrees)
        hand = stroked([(x, y), (x + length * math.sin(turn), y - length * math.cos(turn))], width)
        sheet.cast_shadow(hand, drop=2, soft=1.5, opacity=0.4)
        sheet.paint(hand, (36, 36, 42), bulge=2)
    sheet.metal(filled(arc((x, y), (6, 6))), STEEL)
    sheet.tint(filled(trace("M 170 250 Q 200 216 262 222 Q 200 270 176 330")), WHITE, soft=5, opacity=0.25, within=dial)
    return sheet


def draw_sunglasses() -> Sheet:
    """Draw sunglasses from the front."""
    acetate, smoke = (30, 28, 30), (52, 54, 60)
    sheet = Sheet()
    sheet.tint(filled(arc((240, 400), (180, 6))), BLACK, soft=8, opacity=0.3)
    rim = trace(
        "M 34 246 Q 90 232 160 240 Q 206 244 222 262 Q 232 276 228 306 C 222 366 190 396 146 396"
        " C 96 396 66 366 60 312 Q 56 282 36 272 Q 30 258 34 246"
    )
    glass = trace(
        "M 76 268 Q 110 256 158 260 Q 200 264 210 280 Q 216 300 208 322 C 200 360 178 380 146 380"
        " C 106 380 82 352 76 310 Q 72 284 76 268"
    )
    bridge = trace("M 216 262 Q 240 252 264 262 L 256 296 Q 240 276 224 296")
    lenses = filled(glass, reflected(glass))
    frame = filled(rim, reflected(rim), bridge) * (1 - lenses)
    # The arms lie open behind the lenses and show through them.
    arm = trace("M 50 262 C 84 286 110 330 124 372")
    for side in (arm, reflected(arm)):
        sheet.paint(stroked(side, 10), acetate, bulge=3, relief=0.6)
    sheet.tint(lenses, smoke, opacity=0.86)
    # Tinted lenses are darkest at the top.
    for y, opacity in ((262, 0.6), (290, 0.35)):
        shade = filled(rounded_box(0, y - 40, 480, y + 24, 5))
        sheet.tint(shade, (12, 12, 16), soft=16, opacity=opacity, within=lenses)
    sheet.tint(filled(rounded_box(0, 352, 480, 420, 5)), (150, 150, 158), soft=16, opacity=0.4, within=lenses)
    for dx in (0, 196):
        gleam = moved(trace("M 96 290 L 124 270 L 142 270 L 94 328"), dx)
        sheet.tint(filled(gleam), WHITE, soft=4, opacity=0.35, within=lenses)
    sheet.paint(frame, acetate, bulge=4, relief=0.9, edge=0.1)
    for gleam in (trace("M 46 250 Q 100 240 168 247"), trace("M 300 248 Q 370 240 420 246")):
        sheet.tint(stroked(gleam, 3), WHITE, soft=2, opacity=0.55, within=frame)
    for x in (50, 430):
        sheet.metal(filled(arc((x - 4, 259), (3, 3)), arc((x + 4, 259), (3, 3))), STEEL)
    return sheet
